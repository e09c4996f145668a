#include "grpc_core.h"

#include "cores/census.h"
#include "elf_code.h"
#include "elf_symbols.h"
#include "process/record.h"
#include "regular_file.h"

#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- constants -----------------------------------------------------------------------------------

// What every core has, from 1.30 to 1.85, Debian's, PyPI's, and those in pyarrow and ray: the first
// three are its own; a program may well set the arguments of channels that the next two are, and
// libgrpc++ has the last. Each stands here without its first character: this command is searched
// like any other program, and has no gRPC.
static const struct constant {
    char first;
    const char *rest;
} constants[] = {
    {'g', "rpc-c/%s (%s; %s)"},
    {'A', "ttempt to send initial metadata after stream was closed"},
    {'s', "ettings frames must be a multiple of six bytes"},
    {'g', "rpc.http2.lookahead_bytes"},
    {'g', "rpc.initial_reconnect_backoff_ms"},
    {'g', "rpc-accept-encoding"},
};
#define CONSTANTS (sizeof(constants) / sizeof(constants[0]))
// A version that nobody has seen may word something in another way.
#define MISSING_MAXIMUM 2

static bool has_constant(const struct elf_file *file, const struct constant *constant) {
    char text[80];
    int length = snprintf(text, sizeof(text), "%c%s", constant->first, constant->rest);
    return elf_code_has_constant(file, text, (size_t)length);
}

static bool has_constants(const struct elf_file *file) {
    size_t missing = 0;
    for (size_t i = 0; i < CONSTANTS && missing <= MISSING_MAXIMUM; i++)
        missing += !has_constant(file, &constants[i]);
    return missing <= MISSING_MAXIMUM;
}

// --- the kind ------------------------------------------------------------------------------------

static bool count(const char *name, const GElf_Sym *symbol, void *census) {
    return census_count(census, name, symbol->st_info);
}

static bool has_other_code(const struct elf_file *file) {
    struct census census = {0};
    if (file->interpreter != NULL || file->header.e_type == ET_EXEC ||
        elf_symbols_export(file, CENSUS_CPLUSPLUS))
        return true;
    elf_symbols_visit_exports(file, count, &census);
    return census_finds_other_code(&census);
}

static bool lacks_functions(const struct elf_file *file) {
#define NAME(name) #name,
    static const char *const needed[] = {CENSUS_NEEDED(NAME)};
#undef NAME
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        if (!elf_symbols_export(file, needed[i]))
            return true;
    }
    return !elf_symbols_export(file, "grpc_channel_create") &&
           !elf_symbols_export(file, "grpc_insecure_channel_create");
}

// More than one segment that stays writable once the loader is done (PT_GNU_RELRO).
static bool has_scattered_data(const struct elf_file *file) {
    GElf_Phdr header, relro;
    size_t writable = 0;
    for (size_t i = 0; elf_file_header(file, i, &header); i++) {
        bool stays = header.p_type == PT_LOAD && (header.p_flags & PF_W) != 0;
        for (size_t j = 0; stays && elf_file_header(file, j, &relro); j++) {
            if (relro.p_type == PT_GNU_RELRO && relro.p_vaddr <= header.p_vaddr &&
                header.p_vaddr + header.p_memsz <= relro.p_vaddr + relro.p_memsz)
                stays = false;
        }
        writable += stays;
    }
    return writable > 1;
}

// What of cores/assumptions.h can be known of a file.
static const char *refuse(const struct elf_file *file) {
    if (has_other_code(file))
        return "it is linked into a file together with other code";
    if (lacks_functions(file))
        return "it lacks functions that every gRPC has had";
    if (has_scattered_data(file))
        return "its data is not laid out as the shim knows it";
    return NULL;
}

enum core_kind grpc_core_kind(const struct elf_file *file, const char **refusal) {
    *refusal = NULL;
    // The shim itself exports gRPC's functions.
    if (elf_symbols_export(file, RECORD_SYMBOL))
        return CORE_NONE;
    if (elf_symbols_export(file, "grpc_init")) {
        *refusal = refuse(file);
        return *refusal != NULL ? CORE_REFUSED : CORE_LIBRARY;
    }
    if (!elf_symbols_have_local(file, "grpc_init") && !has_constants(file))
        return CORE_NONE;
    // By which the shim knows it, too (languages/python/python.c).
    return elf_symbols_export(file, "PyInit_cygrpc") ? CORE_EXTENSION : CORE_EMBEDDED;
}

// --- versions ------------------------------------------------------------------------------------

static bool is_version(const char *string) {
    for (int i = 0; i < 3; i++) {
        if (!isdigit((unsigned char)*string))
            return false;
        string += strspn(string, "0123456789");
        if (i < 2 && *string++ != '.')
            return false;
    }
    return *string == '\0' || *string == '-';
}

// From the function that returns it; where there is no symbol of that name any more, the code that
// puts it into the user agent calls that function.
char *grpc_core_version(const struct elf_file *file) {
    GElf_Addr function;
    char agent[40];
    const char *version = NULL;
    if (elf_symbols_address(file, "grpc_version_string", &function))
        version = elf_code_returned_string(file, function);
    if (version == NULL || !is_version(version)) {
        snprintf(agent, sizeof(agent), "%c%s", constants[0].first, constants[0].rest);
        version = elf_code_string_beside(file, agent, is_version);
    }
    return version != NULL ? strdup(version) : NULL;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

// "1.51.1" of libgrpc++.so.1.51.1, as the file is called behind its symbolic links.
static char *version_of_name(const char *path, const char *name) {
    char resolved[PATH_MAX];
    const char *real = realpath(path, resolved);
    const char *base = base_name(real != NULL ? real : path);
    size_t length = strlen(name);
    if (strncmp(base, name, length) != 0 || strncmp(base + length, ".so.", 4) != 0)
        return NULL;
    return strchr(base + length + 4, '.') != NULL ? strdup(base + length + 4) : NULL;
}

// libgrpc++ carries the release in its name, the core a number of its own.
char *grpc_core_release(const struct libraries *libraries) {
    static const char *const names[] = {"libgrpc++", "libgrpc++_unsecure"};
    for (size_t i = 0; i < libraries->count; i++) {
        for (size_t j = 0; j < sizeof(names) / sizeof(names[0]); j++) {
            char *version = version_of_name(libraries->items[i].file->path, names[j]);
            if (version != NULL)
                return version;
        }
    }
    return NULL;
}

// `__version__ = """1.51.1"""`
static char *version_of_metadata(const char *path) {
    char *text = regular_file_text(path), *rest = text, *version = NULL;
    for (const char *line; version == NULL && (line = strsep(&rest, "\n")) != NULL;) {
        const char *digits = line + strcspn(line, "0123456789");
        if (strncmp(line, "__version__", 11) == 0)
            version = strndup(digits, strcspn(digits, "\"'"));
    }
    free(text);
    return version;
}

// ".../grpc/_cython/cygrpc.so" lies beside ".../grpc/_grpcio_metadata.py"; a gem's directory is
// called grpc-1.51.1.
char *grpc_core_release_of_extension(const char *extension) {
    const char *part = strstr(extension, "/_cython/");
    char path[PATH_MAX];
    if (part != NULL) {
        snprintf(path, sizeof(path), "%.*s/_grpcio_metadata.py", (int)(part - extension),
                 extension);
        return version_of_metadata(path);
    }
    part = strstr(extension, "/grpc-");
    if (part == NULL || strspn(part + 6, "0123456789.") == 0)
        return NULL;
    return strndup(part + 6, strspn(part + 6, "0123456789."));
}
