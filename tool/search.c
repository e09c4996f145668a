#include "search.h"

#include "elf_file.h"
#include "extension.h"
#include "inspect.h"
#include "list.h"
#include "packages.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct search {
    json_t *findings;
    struct cores *cores;
    const char *language;
    const char *script; // or NULL
    bool named;         // the script names what is looked at
};

static void free_all(char **items) {
    for (size_t i = 0; items != NULL && items[i] != NULL; i++)
        free(items[i]);
    free(items);
}

static void add_loaded(struct search *search, const char *path, enum core_loaded loaded) {
    struct elf_file *file = elf_file_open(path);
    if (file == NULL)
        return;
    struct libraries *libraries = libraries_find(file);
    struct loading loading = {loaded, path, search->language};
    cores_add(search->cores, libraries, &loading);
    libraries_free(libraries);
}

static void add_packages_library(const char *file, const char *package, void *context) {
    struct search *search = context;
    bool named = search->named || packages_named(search->script, package);
    add_loaded(search, file, named ? CORE_LATER : CORE_PERHAPS);
}

static void find_in_packages(struct search *search, char *const *directories) {
    struct list beside = {NULL, 0};
    if (!packages_visit(directories, add_packages_library, search))
        inspect_note(search->findings, "not all packages were looked at: there are too many files");
    if (search->script == NULL)
        return;
    packages_beside(&beside, search->script);
    char **paths = list_array(&beside);
    search->named = true;
    if (paths != NULL)
        packages_visit(paths, add_packages_library, search);
    free_all(paths);
}

static void find_extensions(struct search *search, const char *command) {
    char **directories = extension_directories(search->language, command);
    char **extensions = directories != NULL ? extension_find(search->language, directories) : NULL;
    for (size_t i = 0; extensions != NULL && extensions[i] != NULL; i++) {
        struct elf_file *file = elf_file_open(extensions[i]);
        if (file == NULL)
            inspect_note(search->findings, "%s can't be read: %s", extensions[i], strerror(errno));
        elf_file_close(file);
        add_loaded(search, extensions[i], CORE_LATER);
    }
    if (directories != NULL)
        find_in_packages(search, directories);
    free_all(extensions);
    free_all(directories);
}

void search_interpreter(json_t *findings, struct cores *cores, const char *language,
                        const char *command, const char *script) {
    struct search search = {findings, cores, language, script, false};
    find_extensions(&search, command);
}
