#include "library.h"

#include "message.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Beside the command itself first: that also holds where the whole tree was moved, and in the build
// directory.
static char *find_beside(const char *relative) {
    char path[PATH_MAX], candidate[PATH_MAX + 200];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
    path[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(path, '/');
    if (slash == NULL)
        return NULL;
    *slash = '\0';
    snprintf(candidate, sizeof(candidate), "%s/../%s/" LIBRARY_NAME, path, relative);
    return realpath(candidate, NULL);
}

static char *find(const char *given) {
    if (given != NULL)
        return realpath(given, NULL);
    char *path = find_beside("shim");
    if (path == NULL)
        path = find_beside(LIBRARY_DIRECTORY);
    return path != NULL ? path
                        : realpath(LIBRARY_PREFIX "/" LIBRARY_DIRECTORY "/" LIBRARY_NAME, NULL);
}

char *library_path(const char *given) {
    char *path = find(given);
    if (path == NULL || access(path, R_OK) != 0) {
        complain("%s: %s", given != NULL ? given : LIBRARY_NAME, strerror(errno));
    } else if (strpbrk(path, ": \t\n") != NULL) {
        complain("%s: the loader takes a colon or a space for the end of a name", path);
    } else {
        return path;
    }
    free(path);
    return NULL;
}

// ld.so(8): the names are separated by colons or spaces.
static bool is_in(const char *list, const char *name) {
    size_t length = strlen(name);
    for (const char *at = list; *at != '\0';) {
        size_t part = strcspn(at, ": ");
        if (part == length && strncmp(at, name, length) == 0)
            return true;
        at += part + (at[part] != '\0');
    }
    return false;
}

char *library_preload(const char *library, const char *present) {
    char *result = NULL;
    if (present == NULL || *present == '\0')
        return strdup(library);
    if (is_in(present, library))
        return strdup(present);
    return asprintf(&result, "%s:%s", library, present) >= 0 ? result : NULL;
}
