#include "extension.h"

#include "list.h"
#include "regular_file.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

// The directories of a variable of the environment.
static void add_variable(struct list *list, const char *variable) {
    const char *paths = getenv(variable);
    while (paths != NULL && *paths != '\0') {
        char directory[PATH_MAX];
        size_t length = strcspn(paths, ":");
        snprintf(directory, sizeof(directory), "%.*s", (int)length, paths);
        if (length > 0)
            list_add_matching(list, directory, "");
        paths += length + (paths[length] != '\0');
    }
}

// --- Python --------------------------------------------------------------------------------------

static void add_python_prefix(struct list *list, const char *prefix, const char *version) {
    static const char *const forms[] = {
        "/lib/python%s/site-packages", "/local/lib/python%s/dist-packages",
        "/lib/python3/dist-packages", "/lib/python%s/dist-packages"};
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        char pattern[PATH_MAX];
        const char *at = strstr(forms[i], "%s");
        snprintf(pattern, sizeof(pattern), "%.*s%s%s",
                 at != NULL ? (int)(at - forms[i]) : (int)strlen(forms[i]), forms[i],
                 at != NULL ? version : "", at != NULL ? at + 2 : "");
        list_add_matching(list, prefix, pattern);
    }
}

// A virtual environment's pyvenv.cfg says whether the system's packages count, too.
static int is_closed_environment(const char *prefix) {
    char path[PATH_MAX + 16];
    snprintf(path, sizeof(path), "%s/pyvenv.cfg", prefix);
    char *text = regular_file_text(path), *rest = text;
    int closed = text != NULL;
    for (const char *line; (line = strsep(&rest, "\n")) != NULL;) {
        if (strncmp(line, "include-system-site-packages", 28) == 0 && strstr(line, "true") != NULL)
            closed = 0;
    }
    free(text);
    return closed;
}

// Each line of such a file is a directory (Python's module site), unless it is code.
static void add_path_file(struct list *list, const char *directory, const char *file) {
    char *text = regular_file_text(file), *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        char path[2 * PATH_MAX];
        line[strcspn(line, "\r")] = '\0';
        if (*line == '\0' || *line == '#' || strncmp(line, "import ", 7) == 0 ||
            strncmp(line, "import\t", 7) == 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s", directory, line);
        list_add_matching(list, *line == '/' ? line : path, "");
    }
    free(text);
}

static void add_path_files(struct list *list) {
    size_t count = list->count; // of those that they add theirs do not count
    for (size_t i = 0; i < count; i++) {
        struct list files = {NULL, 0};
        list_add_matching(&files, list->items[i], "/*.pth");
        for (size_t j = 0; j < files.count; j++)
            add_path_file(list, list->items[i], files.items[j]);
        list_free(&files);
    }
}

static void find_python(struct list *list, const char *command) {
    char resolved[PATH_MAX], prefix[PATH_MAX];
    const char *real = realpath(command, resolved);
    const char *name = base_name(real != NULL ? real : command);
    const char *digits = name + strcspn(name, "0123456789");
    // "3.11" of python3.11; any where the name does not tell.
    const char *version = strchr(digits, '.') != NULL ? digits : "3*";
    add_variable(list, "PYTHONPATH");
    prefix_of(prefix, sizeof(prefix), command);
    int closed = is_closed_environment(prefix);
    add_python_prefix(list, prefix, version);
    if (!closed && real != NULL) {
        char pattern[PATH_MAX];
        const char *home = getenv("HOME");
        snprintf(pattern, sizeof(pattern), "/.local/lib/python%s/site-packages", version);
        if (home != NULL)
            list_add_matching(list, home, pattern);
        prefix_of(prefix, sizeof(prefix), real);
        add_python_prefix(list, prefix, version);
    }
    add_path_files(list);
}

// --- Ruby ----------------------------------------------------------------------------------------

static void find_ruby(struct list *list, const char *command) {
    char prefix[PATH_MAX];
    const char *home = getenv("HOME");
    prefix_of(prefix, sizeof(prefix), command);
    add_variable(list, "GEM_HOME");
    add_variable(list, "GEM_PATH");
    if (home != NULL) {
        list_add_matching(list, home, "/.local/share/gem/ruby/*");
        list_add_matching(list, home, "/.gem/ruby/*");
    }
    list_add_matching(list, "", "/var/lib/gems/*");
    list_add_matching(list, prefix, "/local/lib/ruby/gems/*");
    list_add_matching(list, prefix, "/lib/ruby/gems/*");
    list_add_matching(list, prefix, "/lib/*/rubygems-integration/*");
    list_add_matching(list, prefix, "/lib/ruby/vendor_ruby");
    list_add_matching(list, prefix, "/lib/*/ruby/vendor_ruby");
}

// --- both ----------------------------------------------------------------------------------------

char **extension_directories(const char *language, const char *command) {
    struct list list = {NULL, 0};
    if (strcmp(language, "python") == 0)
        find_python(&list, command);
    else
        find_ruby(&list, command);
    return list_array(&list);
}

char **extension_find(const char *language, char *const *directories) {
    static const char *const python[] = {"/grpc/_cython/cygrpc*.so", NULL};
    static const char *const ruby[] = {"/extensions/*/*/grpc-[0-9]*/grpc/grpc_c.so",
                                       "/gems/grpc-[0-9]*/src/ruby/lib/grpc/grpc_c.so",
                                       "/gems/grpc-[0-9]*/src/ruby/lib/grpc/*/grpc_c.so",
                                       "/*/grpc/grpc_c.so", NULL};
    const char *const *patterns = strcmp(language, "python") == 0 ? python : ruby;
    struct list list = {NULL, 0};
    for (size_t i = 0; directories[i] != NULL; i++) {
        for (size_t j = 0; patterns[j] != NULL; j++)
            list_add_matching(&list, directories[i], patterns[j]);
    }
    return list_array(&list);
}
