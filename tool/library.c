#include "library.h"

#include "elf_file.h"
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
#ifdef LIBRARY_INSTALLED
    if (path == NULL)
        path = realpath(LIBRARY_INSTALLED "/" LIBRARY_NAME, NULL);
#endif
    return path;
}

// The loader opens whatever it is told to preload, and would wait for a fifo.
static const char *refuse(const char *path) {
    struct elf_file *file = elf_file_open(path);
    if (file == NULL)
        return errno == ENOEXEC ? "not a library" : strerror(errno);
    elf_file_close(file);
    return NULL;
}

char *library_find(const char *given) {
    char *path = find(given);
    const char *refusal = path != NULL ? refuse(path) : strerror(errno);
    if (refusal == NULL)
        return path;
    complain("%s: %s", path != NULL ? path : given != NULL ? given : LIBRARY_NAME, refusal);
    free(path);
    return NULL;
}

// What the loader takes for the end of a name in LD_PRELOAD; the lines of a drop-in end, too.
static bool has_separator(const char *path) {
    return strpbrk(path, ": \t\n") != NULL;
}

char *library_path(const char *given) {
    char *path = library_find(given);
    if (path == NULL || !has_separator(path))
        return path;
    complain("%s: the loader takes a colon or a space for the end of a name", path);
    free(path);
    return NULL;
}

// ld.so(8).
#define BETWEEN_NAMES ": "
#define BETWEEN_DIRECTORIES ":;"

static bool is_in(const char *list, const char *name, const char *separators) {
    size_t length = strlen(name);
    for (const char *at = list; *at != '\0';) {
        size_t part = strcspn(at, separators);
        if (part == length && strncmp(at, name, length) == 0)
            return true;
        at += part + (at[part] != '\0');
    }
    return false;
}

bool library_is_in(const char *list, const char *name) {
    return is_in(list, name, BETWEEN_NAMES);
}

static char *in_front(const char *name, const char *list, const char *separators) {
    char *result = NULL;
    if (list == NULL || *list == '\0')
        return strdup(name);
    if (is_in(list, name, separators))
        return strdup(list);
    return asprintf(&result, "%s:%s", name, list) >= 0 ? result : NULL;
}

char *library_preload(const char *library, const char *present) {
    return in_front(library, present, BETWEEN_NAMES);
}

static bool put_in_front(const char *name, const char *variable, const char *separators) {
    char *list = in_front(name, getenv(variable), separators);
    bool put = list != NULL && setenv(variable, list, 1) == 0;
    if (!put)
        complain("%s", strerror(errno));
    free(list);
    return put;
}

bool library_put_into_environment(const char *library) {
    if (!has_separator(library))
        return put_in_front(library, "LD_PRELOAD", BETWEEN_NAMES);
    const char *name = strrchr(library, '/');
    char *directory = strndup(library, (size_t)(name - library));
    bool put = false;
    if (directory == NULL)
        complain("%s", strerror(errno));
    else if (strpbrk(directory, BETWEEN_DIRECTORIES) != NULL)
        complain("%s: the loader takes a colon or a semicolon for the end of a directory", library);
    else
        put = put_in_front(directory, "LD_LIBRARY_PATH", BETWEEN_DIRECTORIES) &&
              put_in_front(name + 1, "LD_PRELOAD", BETWEEN_NAMES);
    free(directory);
    return put;
}
