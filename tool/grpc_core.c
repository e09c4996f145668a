#include "grpc_core.h"

#include "process/record.h"
#include "text.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static bool contains_string(const struct elf_file *file, const char *string) {
    return elf_file_contains(file, string, strlen(string) + 1);
}

// Constants that every version of the core has (1.30 to 1.85 were looked at). gRPC for Go and
// others that speak the same protocol have the first alone, libgrpc++ the first, too, and a program
// that sets the channel argument has the second.
static bool holds_core(const struct elf_file *file) {
    return contains_string(file, "grpc-accept-encoding") &&
           contains_string(file, "grpc.http2.lookahead_bytes") && contains_string(file, "grpclb");
}

// As the shim itself decides: a core among other code can't be rewound. The shim has gRPC's
// symbols, too.
static bool is_library_of_grpc(const struct elf_file *file) {
    return strncmp(base_name(file->path), "libgrpc", 7) == 0 &&
           elf_file_defines(file, "grpc_init") && !elf_file_defines(file, RECORD_SYMBOL);
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

static void set_string(json_t *object, const char *key, char *value) {
    if (value != NULL)
        json_object_set_new(object, key, text_json(value));
    free(value);
}

// libgrpc++ carries the release in its name, the core a number of its own.
static char *find_release(const struct libraries *libraries) {
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

// ".../grpc/_cython/cygrpc.so" lies beside ".../grpc/_grpcio_metadata.py", which says
// `__version__ = """1.51.1"""`; a gem's directory is called grpc-1.51.1.
static char *release_of_extension(const char *extension) {
    const char *part = strstr(extension, "/grpc-");
    char path[PATH_MAX], line[200];
    if (part != NULL && strspn(part + 6, "0123456789.") > 0)
        return strndup(part + 6, strspn(part + 6, "0123456789."));
    part = strstr(extension, "/_cython/");
    if (part == NULL)
        return NULL;
    snprintf(path, sizeof(path), "%.*s/_grpcio_metadata.py", (int)(part - extension), extension);
    FILE *file = fopen(path, "re");
    char *version = NULL;
    while (file != NULL && version == NULL && fgets(line, sizeof(line), file) != NULL) {
        const char *digits = line + strcspn(line, "0123456789");
        if (strncmp(line, "__version__", 11) == 0)
            version = strndup(digits, strcspn(digits, "\"'\n"));
    }
    if (file != NULL)
        fclose(file);
    return version;
}

static json_t *describe(const struct libraries *libraries, const struct elf_file *file,
                        const char *extension, const char *language) {
    bool library = is_library_of_grpc(file);
    json_t *core = json_object();
    json_object_set_new(core, "file", text_json(file->path));
    json_object_set_new(core, "linkage", json_string(library ? "dynamic" : "static"));
    json_object_set_new(core, "loaded", json_string(extension != NULL ? "later" : "start"));
    if (extension != NULL) {
        json_object_set_new(core, "extension", text_json(extension));
        json_object_set_new(core, "language", json_string(language));
    }
    set_string(core, "core_version", elf_file_returned_string(file, "grpc_version_string"));
    char *release = extension != NULL ? release_of_extension(extension) : NULL;
    set_string(core, "release", release != NULL ? release : find_release(libraries));
    return core;
}

void grpc_core_find_mapped(json_t *cores, const struct libraries *mapped, const char *language) {
    for (size_t i = 0; i < mapped->count; i++) {
        const struct elf_file *file = mapped->items[i].file;
        bool library = is_library_of_grpc(file);
        if (!library && !holds_core(file))
            continue;
        const char *extension = library || language == NULL ? NULL : file->path;
        json_t *core = describe(mapped, file, extension, language);
        json_object_set_new(core, "loaded", json_string("already"));
        if (language != NULL)
            json_object_set_new(core, "language", json_string(language));
        json_array_append_new(cores, core);
    }
}

void grpc_core_find(json_t *cores, const struct libraries *libraries, const char *extension,
                    const char *language) {
    for (size_t i = 0; i < libraries->count; i++) {
        const struct elf_file *file = libraries->items[i].file;
        if (is_library_of_grpc(file) || holds_core(file))
            json_array_append_new(cores, describe(libraries, file, extension, language));
    }
}
