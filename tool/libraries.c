#include "libraries.h"

#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// --- the loader's cache: glibc, sysdeps/generic/dl-cache.h ---------------------------------------

#define CACHE_FILE "/etc/ld.so.cache"
#define CACHE_MAGIC "glibc-ld.so.cache1.1"

struct cache_entry {
    int32_t flags;
    uint32_t name;
    uint32_t path;
    uint32_t system_version;
    uint64_t capabilities; // not 0: for processors of some kind only
};

struct cache_header {
    char magic[sizeof(CACHE_MAGIC) - 1];
    uint32_t count;
    uint32_t strings_length;
    uint32_t unused[5];
    struct cache_entry entries[];
};

static const char *map_cache(size_t *size) {
    static const char *mapped;
    static size_t mapped_size;
    struct stat status;
    int descriptor = mapped == NULL ? open(CACHE_FILE, O_RDONLY | O_CLOEXEC) : -1;
    if (descriptor >= 0 && fstat(descriptor, &status) == 0 && status.st_size > 0) {
        void *made = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
        mapped = made != MAP_FAILED ? made : NULL;
        mapped_size = (size_t)status.st_size;
    }
    if (descriptor >= 0)
        close(descriptor);
    *size = mapped_size;
    return mapped;
}

static const char *cache_string(const char *cache, size_t size, uint32_t offset) {
    return offset < size && memchr(cache + offset, '\0', size - offset) != NULL ? cache + offset
                                                                                : NULL;
}

// --- one name ------------------------------------------------------------------------------------

static struct elf_file *open_fitting(const char *path, const struct elf_file *like) {
    struct elf_file *file = elf_file_open(path);
    if (file != NULL && elf_file_fits(file, like))
        return file;
    elf_file_close(file);
    return NULL;
}

static struct elf_file *find_in_cache(const char *name, const struct elf_file *like) {
    size_t size;
    const char *cache = map_cache(&size);
    const struct cache_header *header = (const struct cache_header *)cache;
    if (cache == NULL || size < sizeof(*header) ||
        memcmp(header->magic, CACHE_MAGIC, sizeof(header->magic)) != 0 ||
        header->count > (size - sizeof(*header)) / sizeof(header->entries[0]))
        return NULL;
    for (uint32_t i = 0; i < header->count; i++) {
        const char *entry = cache_string(cache, size, header->entries[i].name);
        const char *path = cache_string(cache, size, header->entries[i].path);
        if (header->entries[i].capabilities != 0 || entry == NULL || path == NULL ||
            strcmp(entry, name) != 0)
            continue;
        struct elf_file *file = open_fitting(path, like);
        if (file != NULL)
            return file;
    }
    return NULL;
}

static const char *multiarch(const struct elf_file *like) {
    switch (like->header.e_machine) {
    case EM_X86_64:
        return "x86_64-linux-gnu";
    case EM_AARCH64:
        return "aarch64-linux-gnu";
    case EM_386:
        return "i386-linux-gnu";
    default:
        return "";
    }
}

// Puts what $ORIGIN, $LIB and $PLATFORM stand for into one element of a search path.
static void expand(char *result, size_t size, const char *element, size_t length,
                   const struct elf_file *needing) {
    const char *slash = strrchr(needing->path, '/');
    int origin = slash != NULL ? (int)(slash - needing->path) : 0;
    size_t used = 0;
    for (size_t i = 0; i < length && used + 1 < size;) {
        const char *rest = element + i;
        int added = -1;
        char library[100];
        snprintf(library, sizeof(library), "lib/%s", multiarch(needing));
        if (strncmp(rest, "$ORIGIN", 7) == 0 || strncmp(rest, "${ORIGIN}", 9) == 0) {
            added = snprintf(result + used, size - used, "%.*s", origin, needing->path);
            i += rest[1] == '{' ? 9 : 7;
        } else if (strncmp(rest, "$LIB", 4) == 0 || strncmp(rest, "${LIB}", 6) == 0) {
            added = snprintf(result + used, size - used, "%s", library);
            i += rest[1] == '{' ? 6 : 4;
        } else {
            result[used] = *rest;
            added = 1;
            i++;
        }
        used += added > 0 ? (size_t)added : 0;
    }
    result[used < size ? used : size - 1] = '\0';
}

// A list of directories with colons between; LD_LIBRARY_PATH knows semicolons, too.
static struct elf_file *find_in_path(const char *path, const char *name,
                                     const struct elf_file *needing) {
    char directory[4096], candidate[8192];
    while (path != NULL && *path != '\0') {
        size_t length = strcspn(path, ":;");
        expand(directory, sizeof(directory), path, length, needing);
        snprintf(candidate, sizeof(candidate), "%s/%s", length > 0 ? directory : ".", name);
        struct elf_file *file = open_fitting(candidate, needing);
        if (file != NULL)
            return file;
        path += length + (path[length] != '\0');
    }
    return NULL;
}

static struct elf_file *find_in_standard_directories(const char *name,
                                                     const struct elf_file *needing) {
    char path[200];
    snprintf(path, sizeof(path), "/lib/%s:/usr/lib/%s:%s:/lib:/usr/lib", multiarch(needing),
             multiarch(needing),
             needing->header.e_ident[EI_CLASS] == ELFCLASS64 ? "/lib64:/usr/lib64" : "/lib32");
    return find_in_path(path, name, needing);
}

// DT_RPATH of the needing file and of those that needed it, unless the file has DT_RUNPATH.
static struct elf_file *find_in_rpath(const struct libraries *libraries, size_t needing,
                                      const char *name) {
    const struct elf_file *file = libraries->items[needing].file;
    if (file->runpath != NULL)
        return NULL;
    for (;;) {
        const struct library *library = &libraries->items[needing];
        struct elf_file *found = library->file->runpath == NULL
                                     ? find_in_path(library->file->rpath, name, library->file)
                                     : NULL;
        if (found != NULL || needing == 0)
            return found;
        needing = library->needed_by;
    }
}

static struct elf_file *find(const struct libraries *libraries, size_t needing, const char *name) {
    const struct elf_file *file = libraries->items[needing].file;
    if (strchr(name, '/') != NULL)
        return open_fitting(name, file);
    struct elf_file *found = find_in_rpath(libraries, needing, name);
    if (found == NULL)
        found = find_in_path(getenv("LD_LIBRARY_PATH"), name, file);
    if (found == NULL)
        found = find_in_path(file->runpath, name, file);
    if (found == NULL)
        found = find_in_cache(name, file);
    return found != NULL ? found : find_in_standard_directories(name, file);
}

// --- all of them ---------------------------------------------------------------------------------

static bool is_known(const struct libraries *libraries, const char *name) {
    for (size_t i = 0; i < libraries->count; i++) {
        const struct elf_file *file = libraries->items[i].file;
        const char *slash = strrchr(file->path, '/');
        if ((file->soname != NULL && strcmp(file->soname, name) == 0) ||
            strcmp(slash != NULL ? slash + 1 : file->path, name) == 0)
            return true;
    }
    for (size_t i = 0; i < libraries->missing_count; i++) {
        if (strcmp(libraries->missing[i], name) == 0)
            return true;
    }
    return false;
}

static void add(struct libraries *libraries, struct elf_file *file, size_t needed_by,
                uint64_t start) {
    struct library *grown =
        realloc(libraries->items, (libraries->count + 1) * sizeof(*libraries->items));
    if (grown == NULL)
        return;
    libraries->items = grown;
    grown[libraries->count++] = (struct library){file, needed_by, start};
}

static void add_missing(struct libraries *libraries, const char *name) {
    char **grown = realloc(libraries->missing, (libraries->missing_count + 1) * sizeof(*grown));
    if (grown == NULL)
        return;
    libraries->missing = grown;
    grown[libraries->missing_count++] = strdup(name);
}

struct libraries *libraries_find(struct elf_file *first) {
    struct libraries *libraries = calloc(1, sizeof(*libraries));
    if (libraries == NULL)
        return NULL;
    add(libraries, first, 0, 0);
    for (size_t i = 0; i < libraries->count; i++) {
        for (size_t j = 0; j < libraries->items[i].file->needed_count; j++) {
            const char *name = libraries->items[i].file->needed[j];
            if (is_known(libraries, name))
                continue;
            struct elf_file *file = find(libraries, i, name);
            if (file != NULL)
                add(libraries, file, i, 0);
            else
                add_missing(libraries, name);
        }
    }
    return libraries;
}

// The shim's own copy of an extension, of which the original is there, too
// (shim/languages/python/revival.py).
static bool is_copy(const char *path) {
    return strcmp(path, "/memfd:cygrpc (deleted)") == 0;
}

static bool add_mapped(const struct mapping *mapping, void *context) {
    struct libraries *libraries = context;
    if (is_copy(mapping->path))
        return false;
    struct elf_file *file = elf_file_open(mapping->file);
    if (file != NULL) {
        // By which its version is known, and which means something to the reader.
        free(file->path);
        file->path = strdup(mapping->path);
        add(libraries, file, 0, mapping->start);
    } else if (errno != ENOEXEC && mapping->executable) {
        add_missing(libraries, mapping->path);
    }
    return false;
}

struct libraries *libraries_mapped(pid_t pid) {
    struct libraries *libraries = calloc(1, sizeof(*libraries));
    if (libraries != NULL)
        memory_visit_files(pid, add_mapped, libraries);
    if (libraries == NULL || libraries->count > 0)
        return libraries;
    libraries_free(libraries);
    return NULL;
}

void libraries_free(struct libraries *libraries) {
    if (libraries == NULL)
        return;
    for (size_t i = 0; i < libraries->count; i++)
        elf_file_close(libraries->items[i].file);
    for (size_t i = 0; i < libraries->missing_count; i++)
        free(libraries->missing[i]);
    free(libraries->items);
    free(libraries->missing);
    free(libraries);
}
