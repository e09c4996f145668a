#include "descriptor_list.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

void list_descriptors(struct descriptor_list *list) {
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL) {
        perror("/proc/self/fd");
        exit(2);
    }
    // Beyond the limit are valgrind's own.
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY};
    getrlimit(RLIMIT_NOFILE, &limit);
    list->count = 0;
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        int number = atoi(entry->d_name);
        if (number == dirfd(directory) || (rlim_t)number >= limit.rlim_cur ||
            list->count == DESCRIPTOR_LIST_SIZE) {
            continue;
        }
        struct descriptor *descriptor = &list->descriptors[list->count];
        char path[64];
        snprintf(path, sizeof(path), "/proc/self/fd/%d", number);
        ssize_t length = readlink(path, descriptor->target, sizeof(descriptor->target) - 1);
        if (length < 0) {
            continue;
        }
        descriptor->target[length] = '\0';
        descriptor->number = number;
        list->count++;
    }
    closedir(directory);
}

const struct descriptor *find_descriptor(const struct descriptor_list *list, int number) {
    for (size_t i = 0; i < list->count; i++) {
        if (list->descriptors[i].number == number) {
            return &list->descriptors[i];
        }
    }
    return NULL;
}

size_t print_difference(const char *who, const char *key, const struct descriptor_list *list,
                        const struct descriptor_list *known) {
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct descriptor *descriptor = &list->descriptors[i];
        const struct descriptor *same = find_descriptor(known, descriptor->number);
        if (same == NULL || strcmp(same->target, descriptor->target) != 0) {
            printf("%s %s %d %s\n", who, key, descriptor->number, descriptor->target);
            count++;
        }
    }
    return count;
}
