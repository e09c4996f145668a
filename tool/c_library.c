#include "c_library.h"

#include <string.h>

struct beginning {
    const char *text;
    const char *c_library;
};

static const char *find(const struct beginning *beginnings, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++) {
        if (strncmp(name, beginnings[i].text, strlen(beginnings[i].text)) == 0)
            return beginnings[i].c_library;
    }
    return NULL;
}

// Each brings a loader of its own, by whose name the kernel finds it.
static const char *by_loader(const char *path) {
    static const struct beginning loaders[] = {{"ld-musl-", "musl"},
                                               {"ld-uClibc", "uClibc"},
                                               {"ld64-uClibc", "uClibc"},
                                               {"linker", "Bionic"}};
    const char *slash = strrchr(path, '/');
    return find(loaders, sizeof(loaders) / sizeof(loaders[0]), slash != NULL ? slash + 1 : path);
}

// A library names no loader, but the C library that it was linked with: GNU's is libc.so.6,
// Alpine's musl libc.musl-x86_64.so.1, that of musl-gcc libc.so. Bionic's is called like the
// latter.
static const char *by_library(const char *name) {
    static const struct beginning libraries[] = {{"libc.musl-", "musl"}, {"libuClibc", "uClibc"}};
    if (strcmp(name, "libc.so") == 0)
        return "musl";
    return find(libraries, sizeof(libraries) / sizeof(libraries[0]), name);
}

const char *c_library_foreign(const struct elf_file *file) {
    const char *found = NULL;
    if (file->interpreter != NULL)
        return by_loader(file->interpreter);
    for (size_t i = 0; i < file->needed_count && found == NULL; i++)
        found = by_library(file->needed[i]);
    return found;
}
