#include "extension.h"

#include <ctype.h>
#include <glob.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct list {
    char **items;
    size_t count;
};

static void add(struct list *list, const char *path) {
    char resolved[PATH_MAX];
    // The same file often has several names here.
    const char *real = realpath(path, resolved);
    for (size_t i = 0; i < list->count; i++) {
        char other[PATH_MAX];
        if (real != NULL && realpath(list->items[i], other) != NULL && strcmp(real, other) == 0)
            return;
    }
    char **grown = realloc(list->items, (list->count + 2) * sizeof(*grown));
    if (grown == NULL)
        return;
    list->items = grown;
    grown[list->count++] = strdup(path);
    grown[list->count] = NULL;
}

__attribute__((format(printf, 2, 3))) static void add_matching(struct list *list,
                                                               const char *format, ...) {
    char pattern[PATH_MAX];
    glob_t found;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(pattern, sizeof(pattern), format, arguments);
    va_end(arguments);
    if (length < 0 || length >= (int)sizeof(pattern) || glob(pattern, 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++)
        add(list, found.gl_pathv[i]);
    globfree(&found);
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

// "python", "python3", "python3.11", "python3-dbg".
static int is_called(const char *command, const char *name) {
    const char *base = base_name(command);
    size_t length = strlen(name);
    return strncmp(base, name, length) == 0 && !isalpha((unsigned char)base[length]);
}

const char *extension_language(const char *interpreter) {
    char resolved[PATH_MAX];
    const char *real = realpath(interpreter, resolved);
    static const char *const languages[] = {"python", "ruby"};
    for (size_t i = 0; i < 2; i++) {
        if (is_called(interpreter, languages[i]) || (real != NULL && is_called(real, languages[i])))
            return languages[i];
    }
    return NULL;
}

// The directory above the one that a command is in.
static void prefix_of(char *prefix, size_t size, const char *command) {
    const char *slash = strrchr(command, '/');
    int length = slash != NULL ? (int)(slash - command) : 0;
    while (length > 0 && command[length - 1] != '/')
        length--;
    snprintf(prefix, size, "%.*s", length > 0 ? length - 1 : 0, command);
}

#define CYGRPC "grpc/_cython/cygrpc*.so"

static void add_python_prefix(struct list *list, const char *prefix, const char *version) {
    add_matching(list, "%s/lib/python%s/site-packages/" CYGRPC, prefix, version);
    add_matching(list, "%s/local/lib/python%s/dist-packages/" CYGRPC, prefix, version);
    add_matching(list, "%s/lib/python3/dist-packages/" CYGRPC, prefix);
    add_matching(list, "%s/lib/python%s/dist-packages/" CYGRPC, prefix, version);
}

// A virtual environment's pyvenv.cfg says whether the system's packages count, too.
static int is_closed_environment(const char *prefix) {
    char path[PATH_MAX + 16], line[300];
    int closed = 0;
    snprintf(path, sizeof(path), "%s/pyvenv.cfg", prefix);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    closed = 1;
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "include-system-site-packages", 28) == 0 && strstr(line, "true") != NULL)
            closed = 0;
    }
    fclose(file);
    return closed;
}

static void add_list(struct list *list, const char *paths, const char *suffix) {
    while (paths != NULL && *paths != '\0') {
        size_t length = strcspn(paths, ":");
        if (length > 0)
            add_matching(list, "%.*s/%s", (int)length, paths, suffix);
        paths += length + (paths[length] != '\0');
    }
}

static void find_python(struct list *list, const char *command) {
    char resolved[PATH_MAX], prefix[PATH_MAX];
    const char *real = realpath(command, resolved);
    const char *name = base_name(real != NULL ? real : command);
    const char *digits = name + strcspn(name, "0123456789");
    // "3.11" of python3.11; any where the name does not tell.
    const char *version = strchr(digits, '.') != NULL ? digits : "3*";
    add_list(list, getenv("PYTHONPATH"), CYGRPC);
    prefix_of(prefix, sizeof(prefix), command);
    int closed = is_closed_environment(prefix);
    add_python_prefix(list, prefix, version);
    if (closed || real == NULL)
        return;
    const char *home = getenv("HOME");
    if (home != NULL)
        add_matching(list, "%s/.local/lib/python%s/site-packages/" CYGRPC, home, version);
    prefix_of(prefix, sizeof(prefix), real);
    add_python_prefix(list, prefix, version);
}

static void add_gems(struct list *list, const char *directory) {
    add_matching(list, "%s/extensions/*/*/grpc-[0-9]*/grpc/grpc_c.so", directory);
    add_matching(list, "%s/gems/grpc-[0-9]*/src/ruby/lib/grpc/grpc_c.so", directory);
    add_matching(list, "%s/gems/grpc-[0-9]*/src/ruby/lib/grpc/*/grpc_c.so", directory);
}

static void add_gem_list(struct list *list, const char *paths) {
    char directory[PATH_MAX];
    while (paths != NULL && *paths != '\0') {
        size_t length = strcspn(paths, ":");
        snprintf(directory, sizeof(directory), "%.*s", (int)length, paths);
        if (length > 0)
            add_gems(list, directory);
        paths += length + (paths[length] != '\0');
    }
}

static void find_ruby(struct list *list, const char *command) {
    char prefix[PATH_MAX], directory[PATH_MAX + 100];
    const char *home = getenv("HOME");
    prefix_of(prefix, sizeof(prefix), command);
    add_gem_list(list, getenv("GEM_HOME"));
    add_gem_list(list, getenv("GEM_PATH"));
    if (home != NULL) {
        snprintf(directory, sizeof(directory), "%s/.local/share/gem/ruby/*", home);
        add_gems(list, directory);
        snprintf(directory, sizeof(directory), "%s/.gem/ruby/*", home);
        add_gems(list, directory);
    }
    add_gems(list, "/var/lib/gems/*");
    snprintf(directory, sizeof(directory), "%s/local/lib/ruby/gems/*", prefix);
    add_gems(list, directory);
    snprintf(directory, sizeof(directory), "%s/lib/ruby/gems/*", prefix);
    add_gems(list, directory);
    snprintf(directory, sizeof(directory), "%s/lib/*/rubygems-integration/*", prefix);
    add_gems(list, directory);
    add_matching(list, "%s/lib/ruby/vendor_ruby/*/grpc/grpc_c.so", prefix);
    add_matching(list, "%s/lib/*/ruby/vendor_ruby/*/grpc/grpc_c.so", prefix);
}

char **extension_find(const char *language, const char *command) {
    struct list list = {calloc(1, sizeof(char *)), 0};
    if (strcmp(language, "python") == 0)
        find_python(&list, command);
    else
        find_ruby(&list, command);
    return list.items;
}
