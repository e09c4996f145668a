#include "inspect.h"

#include "by_name.h"
#include "c_library.h"
#include "contract.h"
#include "elf_file.h"
#include "extension.h"
#include "grpc_core.h"
#include "libraries.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static json_t *format_string(const char *format, va_list arguments) {
    char text[PATH_MAX + 500];
    vsnprintf(text, sizeof(text), format, arguments);
    return text_json(text);
}

void inspect_note(json_t *findings, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    json_array_append_new(json_object_get(findings, "notes"), format_string(format, arguments));
    va_end(arguments);
}

__attribute__((format(printf, 3, 4))) static void add_obstacle(json_t *findings, const char *code,
                                                               const char *format, ...) {
    json_t *preload = json_object_get(findings, "preload");
    json_t *obstacle = json_object();
    va_list arguments;
    va_start(arguments, format);
    json_object_set_new(obstacle, "code", json_string(code));
    json_object_set_new(obstacle, "text", format_string(format, arguments));
    va_end(arguments);
    json_object_set_new(preload, "possible", json_false());
    json_array_append_new(json_object_get(preload, "obstacles"), obstacle);
}

static json_t *begin(const char *target) {
    json_t *findings = json_object(), *preload = json_object(), *grpc = json_object();
    json_object_set_new(findings, "target", text_json(target));
    json_object_set_new(preload, "possible", json_true());
    json_object_set_new(preload, "obstacles", json_array());
    json_object_set_new(findings, "preload", preload);
    json_object_set_new(grpc, "linkage", json_string("unknown"));
    json_object_set_new(grpc, "cores", json_array());
    json_object_set_new(findings, "grpc", grpc);
    json_object_set_new(findings, "notes", json_array());
    return findings;
}

static const char *const coverage_names[] = {"covered", "partly", "not", "unknown"};

void inspect_conclude(json_t *findings, enum coverage coverage, const char *verdict) {
    json_object_set_new(findings, "coverage", json_string(coverage_names[coverage]));
    json_object_set_new(findings, "verdict", text_json(verdict));
    json_object_set_new(findings, "contract", contract_describe(findings));
}

enum coverage inspect_coverage(const json_t *findings) {
    const char *name = json_string_value(json_object_get(findings, "coverage"));
    for (int i = COVERED; name != NULL && i < UNKNOWN; i++) {
        if (strcmp(name, coverage_names[i]) == 0)
            return (enum coverage)i;
    }
    return UNKNOWN;
}

static bool is_regular(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

char *inspect_find_in(const char *path, const char *name) {
    char candidate[PATH_MAX];
    while (*path != '\0') {
        size_t length = strcspn(path, ":");
        snprintf(candidate, sizeof(candidate), "%.*s%s%s", (int)length, path, length > 0 ? "/" : "",
                 name);
        if (access(candidate, X_OK) == 0 && is_regular(candidate))
            return strdup(candidate);
        path += length + (path[length] != '\0');
    }
    return NULL;
}

char *inspect_find_command(const char *name) {
    const char *path = getenv("PATH");
    if (strchr(name, '/') != NULL)
        return strdup(name);
    return inspect_find_in(path != NULL ? path : "/usr/bin:/bin", name);
}

// --- scripts -------------------------------------------------------------------------------------

// The program that env(1) would start, of its arguments in one string: as env was told, where it is
// not found. NULL where there is none.
static char *program_of_env(char *arguments) {
    char *rest = arguments;
    for (char *word; (word = strsep(&rest, " \t")) != NULL;) {
        // These two have their value behind them.
        if (strcmp(word, "-u") == 0 || strcmp(word, "-C") == 0)
            strsep(&rest, " \t");
        else if (*word != '\0' && *word != '-' && strchr(word, '=') == NULL) {
            char *path = inspect_find_command(word);
            return path != NULL ? path : strdup(word);
        }
    }
    return NULL;
}

static bool read_beginning(char *line, size_t size, const char *path) {
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t length = descriptor >= 0 ? read(descriptor, line, size - 1) : 0;
    if (descriptor >= 0)
        close(descriptor);
    line[length > 0 ? length : 0] = '\0';
    return length > 0;
}

// The interpreter that the first line of a script names (execve(2)); the usual one where it names
// none; or NULL. Without a slash it is one that env(1) would not find.
static char *interpreter_of(const char *path) {
    char line[500], *relative = NULL;
    if (!read_beginning(line, sizeof(line), path))
        return NULL;
    if (strncmp(line, "#!", 2) != 0)
        return interpreter_by_name(path);
    char *interpreter = line + 2 + strspn(line + 2, " \t");
    interpreter[strcspn(interpreter, "\n")] = '\0';
    char *arguments = interpreter + strcspn(interpreter, " \t");
    if (*arguments != '\0')
        *arguments++ = '\0';
    if (*interpreter == '\0')
        return NULL;
    const char *slash = strrchr(interpreter, '/');
    if (strcmp(slash != NULL ? slash + 1 : interpreter, "env") == 0) {
        char *program = program_of_env(arguments);
        if (program != NULL)
            return program;
    }
    // The kernel looks it up in the working directory.
    if (slash == NULL)
        return asprintf(&relative, "./%s", interpreter) >= 0 ? relative : NULL;
    return strdup(interpreter);
}

// --- obstacles -----------------------------------------------------------------------------------

static void find_privileges(json_t *findings, const char *path) {
    struct stat status;
    if (stat(path, &status) == 0 && (status.st_mode & S_ISUID) != 0)
        add_obstacle(findings, "setuid",
                     "%s is setuid: the loader ignores LD_PRELOAD, but for its owner", path);
    if (stat(path, &status) == 0 && (status.st_mode & S_ISGID) != 0 &&
        (status.st_mode & S_IXGRP) != 0)
        add_obstacle(findings, "setgid",
                     "%s is setgid: the loader ignores LD_PRELOAD, but for its group", path);
    if (getxattr(path, "security.capability", NULL, 0) > 0)
        add_obstacle(findings, "capabilities",
                     "%s has file capabilities: the loader ignores LD_PRELOAD, but for root", path);
}

// A file that the loader is not asked to load anything for.
static bool is_static(const struct elf_file *file) {
    return file->interpreter == NULL && file->needed_count == 0 && file->soname == NULL;
}

static bool is_library(const struct elf_file *file) {
    return file->header.e_type == ET_DYN && file->interpreter == NULL && !is_static(file);
}

static void find_obstacles(json_t *findings, const struct elf_file *file) {
    struct elf_file *self = elf_file_open("/proc/self/exe");
    if (self != NULL && !elf_file_fits(file, self)) {
        char own[50];
        snprintf(own, sizeof(own), "%s", elf_file_architecture(self));
        add_obstacle(findings, "architecture", "%s is for %s, the shim for %s", file->path,
                     elf_file_architecture(file), own);
    }
    elf_file_close(self);
    find_privileges(findings, file->path);
    if (is_static(file))
        add_obstacle(findings, "static",
                     "%s is statically linked: no loader runs that could preload", file->path);
}

// Unlike those above this one holds for libraries, too.
static const char *find_foreign_libc(json_t *findings, const struct elf_file *file) {
    const char *name = c_library_foreign(file);
    if (name == NULL)
        return NULL;
    add_obstacle(findings, "libc", "%s is made for %s, the shim for GNU's C library", file->path,
                 name);
    // Tried: docs/containers.md.
    if (strcmp(name, "musl") == 0 && !is_library(file))
        inspect_note(findings, "with the path of the shim in LD_PRELOAD it does not start");
    return name;
}

// --- conclusions ---------------------------------------------------------------------------------

// Counts the cores of a linkage, and those that are known to be covered one level up.
static size_t count_cores(const json_t *cores, const char *linkage) {
    size_t count = 0, index;
    const json_t *core;
    json_array_foreach(cores, index, core) {
        count += strcmp(json_string_value(json_object_get(core, "linkage")), linkage) == 0;
    }
    return count;
}

static bool all_in_language(const json_t *cores, const char *language) {
    size_t index;
    const json_t *core;
    json_array_foreach(cores, index, core) {
        const char *own = json_string_value(json_object_get(core, "language"));
        if (own == NULL || strcmp(own, language) != 0)
            return false;
    }
    return json_array_size(cores) > 0;
}

static void set_linkage(json_t *findings, const char *linkage) {
    json_object_set_new(json_object_get(findings, "grpc"), "linkage", json_string(linkage));
}

static void conclude_without_core(json_t *findings, bool incomplete, bool loads,
                                  const char *language) {
    if (incomplete) {
        inspect_conclude(findings, UNKNOWN, "not all of its libraries were found");
    } else if (language != NULL) {
        set_linkage(findings, "absent");
        inspect_conclude(findings, UNKNOWN,
                         "no gRPC extension was found where this interpreter looks; a path that "
                         "the program sets itself can't be known");
    } else if (loads) {
        set_linkage(findings, "absent");
        inspect_conclude(findings, UNKNOWN,
                         "it has no gRPC itself but loads plug-ins: check those, or its pid while "
                         "it runs");
    } else {
        set_linkage(findings, "absent");
        inspect_conclude(findings, NOT_COVERED, "there is no gRPC in it");
    }
}

// docs/python.md, docs/ruby.md.
static void note_language(json_t *findings, const json_t *cores) {
    if (all_in_language(cores, "python"))
        inspect_note(findings, "Python: CPython from 3.9 on; grpcio 1.49 to 1.85 was tested");
    else if (all_in_language(cores, "ruby"))
        inspect_note(findings, "Ruby: extensions that link libgrpc, such as Debian's ruby-grpc");
}

static void conclude_with_cores(json_t *findings) {
    const json_t *cores = json_object_get(json_object_get(findings, "grpc"), "cores");
    size_t dynamic = count_cores(cores, "dynamic"), statics = count_cores(cores, "static");
    const char *loaded = json_string_value(json_object_get(json_array_get(cores, 0), "loaded"));
    bool late = loaded != NULL && strcmp(loaded, "later") == 0;
    set_linkage(findings, late ? "late" : dynamic > 0 ? "dynamic" : "static");
    note_language(findings, cores);
    if (statics == 0 && (dynamic == 1 || late))
        inspect_conclude(findings, COVERED, "gRPC is linked dynamically");
    else if (statics == 0)
        inspect_conclude(findings, PARTLY,
                         "there are several gRPC libraries in it: the first to be loaded is "
                         "protected");
    else if (dynamic == 0 && all_in_language(cores, "python"))
        inspect_conclude(findings, COVERED,
                         "gRPC is in the extension of Python, which the shim knows");
    else if (dynamic == 0)
        inspect_conclude(findings, NOT_COVERED,
                         "gRPC is linked statically: there is nothing to hook into");
    else
        inspect_conclude(findings, PARTLY,
                         "besides libgrpc there is gRPC that is linked statically, and not "
                         "protected");
}

static bool loads_others(const struct libraries *libraries) {
    for (size_t i = 0; i < libraries->count; i++) {
        const char *soname = libraries->items[i].file->soname;
        if (soname != NULL &&
            (strncmp(soname, "libc.so", 7) == 0 || strncmp(soname, "libcrypto.so", 12) == 0))
            continue; // their plug-ins are not of the kind that use gRPC
        if (elf_file_imports(libraries->items[i].file, "dlopen") ||
            elf_file_imports(libraries->items[i].file, "dlmopen"))
            return true;
    }
    return false;
}

// What a shell or env(1) runs inherits the environment.
static void note_shell(json_t *findings, const char *command) {
    static const char *const shells[] = {"sh", "bash", "dash", "ksh", "zsh", "busybox"};
    char resolved[PATH_MAX];
    const char *real = realpath(command, resolved), *slash = strrchr(real ? real : command, '/');
    const char *name = slash != NULL ? slash + 1 : command;
    for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
        if (strcmp(name, shells[i]) == 0)
            inspect_note(findings, "the programs that %s runs get the shim, too: check those",
                         name);
    }
}

static void find_extensions(json_t *findings, json_t *cores, const char *language,
                            const char *command) {
    char **extensions = extension_find(language, command);
    for (size_t i = 0; extensions != NULL && extensions[i] != NULL; i++) {
        struct elf_file *file = elf_file_open(extensions[i]);
        if (file != NULL) {
            struct libraries *libraries = libraries_find(file);
            grpc_core_find(cores, libraries, extensions[i], language);
            libraries_free(libraries);
        } else {
            inspect_note(findings, "%s can't be read: %s", extensions[i], strerror(errno));
        }
        free(extensions[i]);
    }
    free(extensions);
}

// Of what the program needs, and of what its interpreter may load.
static struct libraries *find_cores(json_t *findings, struct elf_file *file, const char *command) {
    json_t *cores = json_object_get(json_object_get(findings, "grpc"), "cores");
    const char *language = extension_language(command);
    bool library = is_library(file);
    struct libraries *libraries = libraries_find(file);
    grpc_core_find(cores, libraries, NULL, NULL);
    for (size_t i = 0; i < libraries->missing_count; i++)
        inspect_note(findings, "%s was not found", libraries->missing[i]);
    if (language != NULL && !library)
        find_extensions(findings, cores, language, command);
    return libraries;
}

// Of what the process has; what its interpreter may load only where it has not done so.
static struct libraries *find_mapped_cores(json_t *findings, struct elf_file *file,
                                           const char *command, struct libraries *mapped) {
    json_t *cores = json_object_get(json_object_get(findings, "grpc"), "cores");
    const char *language = extension_language(command);
    grpc_core_find_mapped(cores, mapped, language);
    if (language != NULL && json_array_size(cores) == 0)
        find_extensions(findings, cores, language, command);
    elf_file_close(file);
    return mapped;
}

static void conclude_not_preloaded(json_t *findings, const char *foreign_libc) {
    char verdict[100] = "the shim can't be loaded into it";
    if (foreign_libc != NULL)
        snprintf(verdict, sizeof(verdict), "its C library is %s", foreign_libc);
    inspect_conclude(findings, NOT_COVERED, verdict);
}

// The file belongs to it, and so do the libraries; NULL where they are to be found.
static void inspect_elf(json_t *findings, struct elf_file *file, const char *command,
                        struct libraries *mapped) {
    json_t *cores = json_object_get(json_object_get(findings, "grpc"), "cores");
    const char *language = extension_language(command);
    bool library = is_library(file);
    json_object_set_new(findings, "architecture", json_string(elf_file_architecture(file)));
    if (json_object_get(findings, "kind") == NULL)
        json_object_set_new(findings, "kind", json_string(library ? "library" : "program"));
    if (!library)
        find_obstacles(findings, file);
    const char *foreign_libc = find_foreign_libc(findings, file);
    note_shell(findings, command);
    struct libraries *libraries = mapped != NULL
                                      ? find_mapped_cores(findings, file, command, mapped)
                                      : find_cores(findings, file, command);
    if (json_array_size(cores) > 0)
        conclude_with_cores(findings);
    else
        conclude_without_core(findings, libraries->missing_count > 0, loads_others(libraries),
                              language);
    libraries_free(libraries);
    if (!json_is_true(json_object_get(json_object_get(findings, "preload"), "possible")))
        conclude_not_preloaded(findings, foreign_libc);
}

static void conclude_unknown(json_t *findings, const char *path, const char *reason) {
    char verdict[PATH_MAX + 100];
    snprintf(verdict, sizeof(verdict), "%s: %s", path, reason);
    inspect_conclude(findings, UNKNOWN, verdict);
}

// Follows scripts to their interpreters: the kernel allows four levels.
static void inspect_path(json_t *findings, const char *path, int level) {
    struct elf_file *file = elf_file_open(path);
    if (file != NULL) {
        inspect_elf(findings, file, path, NULL);
        return;
    }
    int error = errno;
    char *interpreter = error == ENOEXEC && level < 5 ? interpreter_of(path) : NULL;
    if (interpreter == NULL) {
        conclude_unknown(findings, path,
                         error == ENOEXEC ? "neither a program nor a script" : strerror(error));
        return;
    }
    json_object_set_new(findings, "kind", json_string("script"));
    json_object_set_new(findings, "interpreter", text_json(interpreter));
    if (strchr(interpreter, '/') != NULL)
        inspect_path(findings, interpreter, level + 1);
    else
        conclude_unknown(findings, interpreter, "env(1) finds no such command");
    free(interpreter);
}

json_t *inspect_file(const char *target) {
    json_t *findings = begin(target);
    char *path = is_regular(target) ? strdup(target) : inspect_find_command(target);
    // Not a regular file, which will be said.
    if (path == NULL && access(target, F_OK) == 0)
        path = strdup(target);
    if (path == NULL) {
        inspect_conclude(findings, UNKNOWN, "there is no such file or command");
        return findings;
    }
    json_object_set_new(findings, "file", text_json(path));
    inspect_path(findings, path, 0);
    free(path);
    return findings;
}

json_t *inspect_running(const char *path, struct libraries *mapped) {
    json_t *findings = begin(path);
    struct elf_file *file = elf_file_open(path);
    json_object_set_new(findings, "file", text_json(path));
    if (file != NULL) {
        inspect_elf(findings, file, path, mapped);
        return findings;
    }
    conclude_unknown(findings, path, strerror(errno));
    libraries_free(mapped);
    return findings;
}
