#include "inspect.h"

#include "c_library.h"
#include "contract.h"
#include "cores.h"
#include "elf_file.h"
#include "elf_symbols.h"
#include "extension.h"
#include "libraries.h"
#include "python.h"
#include "script.h"
#include "search.h"
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

void inspect_conclude(json_t *findings, enum coverage coverage, const char *verdict) {
    json_object_set_new(findings, "coverage", json_string(coverage_name(coverage)));
    json_object_set_new(findings, "verdict", text_json(verdict));
    json_object_set_new(findings, "contract", contract_describe(findings));
}

enum coverage inspect_coverage(const json_t *findings) {
    const char *name = json_string_value(json_object_get(findings, "coverage"));
    for (int i = COVERED; name != NULL && i < UNKNOWN; i++) {
        if (strcmp(name, coverage_name((enum coverage)i)) == 0)
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

static void set_linkage(json_t *findings, const char *linkage) {
    json_object_set_new(json_object_get(findings, "grpc"), "linkage", json_string(linkage));
}

static bool loads_others(const struct libraries *libraries) {
    for (size_t i = 0; i < libraries->count; i++) {
        const char *soname = libraries->items[i].file->soname;
        if (soname != NULL &&
            (strncmp(soname, "libc.so", 7) == 0 || strncmp(soname, "libcrypto.so", 12) == 0))
            continue; // their plug-ins are not of the kind that use gRPC
        if (elf_symbols_import(libraries->items[i].file, "dlopen") ||
            elf_symbols_import(libraries->items[i].file, "dlmopen"))
            return true;
    }
    return false;
}

static const char incomplete_verdict[] = "not all of its libraries could be read";

static void conclude_without_core(json_t *findings, const struct libraries *libraries, bool running,
                                  const char *language) {
    bool loads = language != NULL || loads_others(libraries);
    if (libraries->missing_count > 0) {
        inspect_conclude(findings, UNKNOWN, incomplete_verdict);
        return;
    }
    set_linkage(findings, "absent");
    if (!loads)
        inspect_conclude(findings, NOT_COVERED, "there is no gRPC in it");
    else if (running)
        inspect_conclude(findings, UNKNOWN,
                         "it has not loaded gRPC, and what it loads later can't be known");
    else if (language != NULL)
        inspect_conclude(findings, UNKNOWN,
                         "no gRPC extension was found where this interpreter looks; a path that "
                         "the program sets itself can't be known");
    else
        inspect_conclude(findings, UNKNOWN,
                         "it has no gRPC itself but loads plug-ins: check those, or its pid while "
                         "it runs");
}

// docs/python.md, docs/ruby.md.
static void note_language(json_t *findings, const struct cores *cores) {
    if (cores_have_language(cores, "python"))
        inspect_note(findings, "Python: CPython from 3.9 on; grpcio 1.49 to 1.85 was tested");
    if (cores_have_language(cores, "ruby"))
        inspect_note(findings, "Ruby: extensions that link libgrpc, such as Debian's ruby-grpc");
}

// In front of what is told of one core of several.
static void conclude_by(json_t *findings, const struct cores *cores, const struct core *worst,
                        enum coverage coverage) {
    char verdict[2 * PATH_MAX];
    if (worst->loaded == CORE_PERHAPS && coverage == UNKNOWN)
        snprintf(verdict, sizeof(verdict), "not covered if it comes to load %s: %s", worst->file,
                 worst->verdict);
    else if (cores->count > 1 && coverage != COVERED)
        snprintf(verdict, sizeof(verdict), "%s: %s", worst->file, worst->verdict);
    else
        snprintf(verdict, sizeof(verdict), "%s", worst->verdict);
    inspect_conclude(findings, coverage, verdict);
}

// The answer is that of the worst core.
static void conclude_with_cores(json_t *findings, const struct cores *cores, bool incomplete) {
    enum coverage coverage;
    const struct core *worst = cores_worst(cores, &coverage);
    bool late = cores->items[0].loaded == CORE_LATER || cores->items[0].loaded == CORE_PERHAPS;
    set_linkage(findings, late                                   ? "late"
                          : cores_have_kind(cores, CORE_LIBRARY) ? "dynamic"
                                                                 : "static");
    json_object_set_new(json_object_get(findings, "grpc"), "cores", cores_json(cores));
    note_language(findings, cores);
    if (coverage == COVERED && incomplete)
        inspect_conclude(findings, UNKNOWN, incomplete_verdict);
    else
        conclude_by(findings, cores, worst, coverage);
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

// What is to be known besides the program's file.
struct known {
    struct libraries *mapped; // of a process, or NULL
    const struct protection *protection;
    const char *script; // that the program interprets, or NULL
};

// Of what the program needs, and of what its interpreter may load.
static struct libraries *find_cores(json_t *findings, struct cores *cores, struct elf_file *file,
                                    const char *command, const struct known *known) {
    static const struct loading at_start = {CORE_AT_START, NULL, NULL};
    const char *language = extension_language(command);
    bool library = is_library(file);
    struct libraries *libraries = libraries_find(file);
    cores_add(cores, libraries, &at_start);
    if (language != NULL && !library)
        search_interpreter(findings, cores, language, command, known->script);
    return libraries;
}

// Of what the process has. What its interpreter may yet load is not looked for: neither the paths
// nor the environment of the process are this one's.
static struct libraries *find_mapped_cores(struct cores *cores, struct elf_file *file,
                                           const char *command, const struct known *known) {
    const struct loading already = {CORE_ALREADY, NULL, extension_language(command)};
    cores_add(cores, known->mapped, &already);
    elf_file_close(file);
    return known->mapped;
}

static void note_missing(json_t *findings, const struct libraries *libraries, bool mapped) {
    for (size_t i = 0; i < libraries->missing_count; i++)
        inspect_note(findings, mapped ? "%s is loaded and can't be read" : "%s was not found",
                     libraries->missing[i]);
}

static void conclude_not_preloaded(json_t *findings, const char *foreign_libc) {
    char verdict[100] = "the shim can't be loaded into it";
    if (foreign_libc != NULL)
        snprintf(verdict, sizeof(verdict), "its C library is %s", foreign_libc);
    inspect_conclude(findings, NOT_COVERED, verdict);
}

// The file belongs to it, and so do the libraries.
static void inspect_elf(json_t *findings, struct elf_file *file, const char *command,
                        const struct known *known) {
    struct cores cores = {0};
    bool library = is_library(file), running = known->mapped != NULL;
    json_object_set_new(findings, "architecture", json_string(elf_file_architecture(file)));
    if (json_object_get(findings, "kind") == NULL)
        json_object_set_new(findings, "kind", json_string(library ? "library" : "program"));
    if (!library)
        find_obstacles(findings, file);
    const char *foreign_libc = find_foreign_libc(findings, file);
    note_shell(findings, command);
    struct libraries *libraries = running ? find_mapped_cores(&cores, file, command, known)
                                          : find_cores(findings, &cores, file, command, known);
    note_missing(findings, libraries, running);
    cores_judge(&cores, python_refusal(libraries), known->protection);
    if (cores.count > 0)
        conclude_with_cores(findings, &cores, libraries->missing_count > 0);
    else
        conclude_without_core(findings, libraries, running, extension_language(command));
    libraries_free(libraries);
    cores_free(&cores);
    if (!json_is_true(json_object_get(json_object_get(findings, "preload"), "possible")))
        conclude_not_preloaded(findings, foreign_libc);
}

static void conclude_unknown(json_t *findings, const char *path, const char *reason) {
    char verdict[PATH_MAX + 100];
    snprintf(verdict, sizeof(verdict), "%s: %s", path, reason);
    inspect_conclude(findings, UNKNOWN, verdict);
}

// Follows scripts to their interpreters: the kernel allows four levels.
static void inspect_path(json_t *findings, const char *path, const char *script, int level) {
    const struct known known = {NULL, NULL, script};
    struct elf_file *file = elf_file_open(path);
    if (file != NULL) {
        inspect_elf(findings, file, path, &known);
        return;
    }
    int error = errno;
    char *interpreter = error == ENOEXEC && level < 5 ? script_interpreter(path) : NULL;
    if (interpreter == NULL) {
        const char *none =
            is_regular(path) ? "neither a program nor a script" : "not a regular file";
        conclude_unknown(findings, path, error == ENOEXEC ? none : strerror(error));
        return;
    }
    json_object_set_new(findings, "kind", json_string("script"));
    json_object_set_new(findings, "interpreter", text_json(interpreter));
    if (strchr(interpreter, '/') != NULL)
        inspect_path(findings, interpreter, path, level + 1);
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
    inspect_path(findings, path, NULL, 0);
    free(path);
    return findings;
}

json_t *inspect_running(const char *path, struct libraries *mapped,
                        const struct protection *protection) {
    const struct known known = {mapped, protection, NULL};
    json_t *findings = begin(path);
    struct elf_file *file = elf_file_open(path);
    json_object_set_new(findings, "file", text_json(path));
    if (file != NULL && mapped != NULL) {
        inspect_elf(findings, file, path, &known);
        return findings;
    }
    conclude_unknown(findings, path, file != NULL ? "its memory can't be read" : strerror(errno));
    elf_file_close(file);
    libraries_free(mapped);
    return findings;
}
