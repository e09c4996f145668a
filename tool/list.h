// A list of paths.
#ifndef GRPCFORKSHIM_TOOL_LIST_H
#define GRPCFORKSHIM_TOOL_LIST_H

#include <stddef.h>

struct list {
    char **items; // each on the heap
    size_t count;
};

// Adds a copy of the path, unless the list has the same file already, by whatever name.
void list_add(struct list *list, const char *path);

// Adds what is there of a pattern (glob(7)) behind a directory, whose name is taken as it is.
void list_add_matching(struct list *list, const char *directory, const char *pattern);

// The items, ended by NULL; they belong to the caller now.
char **list_array(struct list *list);

void list_free(struct list *list);

#endif
