// The open descriptors of this process with what they lead to, from /proc/self/fd.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define DESCRIPTOR_LIST_SIZE 4096
#define DESCRIPTOR_TARGET_SIZE 128

struct descriptor {
    int number;
    char target[DESCRIPTOR_TARGET_SIZE];
};

struct descriptor_list {
    size_t count;
    struct descriptor descriptors[DESCRIPTOR_LIST_SIZE];
};

// Leaves out the descriptor that the listing itself needs.
void list_descriptors(struct descriptor_list *list);
const struct descriptor *find_descriptor(const struct descriptor_list *list, int number);
// Prints those of `list` which are not in `known` as `WHO KEY NUMBER TARGET`; their number.
size_t print_difference(const char *who, const char *key, const struct descriptor_list *list,
                        const struct descriptor_list *known);
