#include "packages.h"

#include "regular_file.h"

#include <ctype.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A large environment has 100,000 files; looking at so many takes half a second.
#define FILES_MAXIMUM 1000000

// --- names in scripts ----------------------------------------------------------------------------

static bool is_of_word(char character) {
    return isalnum((unsigned char)character) || character == '_' || (character & 0x80) != 0;
}

static bool has_word(const char *text, const char *word) {
    size_t length = strlen(word);
    for (const char *at = text; length > 0 && (at = strstr(at, word)) != NULL; at++) {
        if ((at == text || !is_of_word(at[-1])) && !is_of_word(at[length]))
            return true;
    }
    return false;
}

bool packages_named(const char *script, const char *package) {
    char *text = script != NULL ? regular_file_text(script) : NULL;
    // Behind the first line, whose path may well have the name in it.
    bool named = text != NULL && has_word(text + strcspn(text, "\n"), package);
    free(text);
    return named;
}

// "pyarrow" of DIRECTORY/pyarrow/lib/x.so, "x" of DIRECTORY/x.cpython-311.so.
static void name_package(char *package, size_t size, const char *directory, const char *file) {
    const char *name = file + strlen(directory);
    name += strspn(name, "/");
    snprintf(package, size, "%.*s", (int)strcspn(name, "/."), name);
}

void packages_beside(struct list *list, const char *script) {
    struct list beside = {NULL, 0};
    char resolved[PATH_MAX],
        *slash = realpath(script, resolved) != NULL ? strrchr(resolved, '/') : NULL;
    if (slash == NULL)
        return;
    *slash = '\0';
    list_add_matching(&beside, resolved, "/*/__init__.py");
    list_add_matching(&beside, resolved, "/*.so");
    for (size_t i = 0; i < beside.count; i++) {
        char *path = beside.items[i], *end = strstr(path, "/__init__.py"), package[NAME_MAX + 1];
        if (end != NULL)
            *end = '\0';
        name_package(package, sizeof(package), resolved, path);
        if (packages_named(script, package))
            list_add(list, path);
    }
    list_free(&beside);
}

// --- files ---------------------------------------------------------------------------------------

// "_flight.cpython-311-x86_64-linux-gnu.so", "libarrow_flight.so.2600".
static bool may_be_library(const char *name) {
    const char *suffix = strstr(name, ".so");
    return suffix != NULL && (suffix[3] == '\0' || suffix[3] == '.');
}

struct walk {
    char *directory;
    void (*visit)(const char *file, const char *package, void *context);
    void *context;
    size_t count;
};

// Through symbolic links, too, of which some environments are made; fts(3) notices circles.
static bool look_through(struct walk *walk) {
    char *paths[] = {walk->directory, NULL};
    FTS *tree = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    const FTSENT *entry;
    while (tree != NULL && walk->count < FILES_MAXIMUM && (entry = fts_read(tree)) != NULL) {
        char package[NAME_MAX + 1];
        walk->count++;
        if (entry->fts_info != FTS_F || !may_be_library(entry->fts_name))
            continue;
        name_package(package, sizeof(package), walk->directory, entry->fts_path);
        walk->visit(entry->fts_path, package, walk->context);
    }
    if (tree != NULL)
        fts_close(tree);
    return walk->count < FILES_MAXIMUM;
}

bool packages_visit(char *const *directories,
                    void (*visit)(const char *file, const char *package, void *context),
                    void *context) {
    struct walk walk = {.visit = visit, .context = context};
    for (size_t i = 0; directories[i] != NULL; i++) {
        walk.directory = directories[i];
        if (!look_through(&walk))
            return false;
    }
    return true;
}
