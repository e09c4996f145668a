#include "list.h"

#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void list_add(struct list *list, const char *path) {
    char resolved[PATH_MAX];
    // The same file often has several names here.
    const char *real = realpath(path, resolved);
    for (size_t i = 0; i < list->count; i++) {
        char other[PATH_MAX];
        if (real != NULL && realpath(list->items[i], other) != NULL && strcmp(real, other) == 0)
            return;
    }
    char **grown = realloc(list->items, (list->count + 1) * sizeof(*grown));
    if (grown == NULL)
        return;
    list->items = grown;
    grown[list->count++] = strdup(path);
}

// Where each character stands for itself.
static size_t escape(char *pattern, size_t size, const char *text) {
    size_t length = 0;
    for (; *text != '\0' && length + 2 < size; text++) {
        if (strchr("*?[\\", *text) != NULL)
            pattern[length++] = '\\';
        pattern[length++] = *text;
    }
    pattern[length] = '\0';
    return length;
}

void list_add_matching(struct list *list, const char *directory, const char *pattern) {
    char whole[2 * PATH_MAX];
    glob_t found;
    size_t length = escape(whole, sizeof(whole), directory);
    int added = snprintf(whole + length, sizeof(whole) - length, "%s", pattern);
    if (added < 0 || (size_t)added >= sizeof(whole) - length || glob(whole, 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++)
        list_add(list, found.gl_pathv[i]);
    globfree(&found);
}

char **list_array(struct list *list) {
    char **array = realloc(list->items, (list->count + 1) * sizeof(*array));
    if (array == NULL) {
        list_free(list);
        return NULL;
    }
    array[list->count] = NULL;
    *list = (struct list){NULL, 0};
    return array;
}

void list_free(struct list *list) {
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct list){NULL, 0};
}
