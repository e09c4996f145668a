#include "memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

bool memory_read(pid_t pid, uint64_t address, void *bytes, size_t size) {
    struct iovec local = {bytes, size}, remote = {(void *)(uintptr_t)address, size};
    ssize_t count = process_vm_readv(pid, &local, 1, &remote, 1, 0);
    if (count >= 0 && (size_t)count < size)
        errno = EFAULT;
    return count >= 0 && (size_t)count == size;
}

// map_files leads to the very file that is mapped, which may have been replaced on disk; it needs
// privileges.
static void name_file(struct mapping *mapping, pid_t pid, uint64_t end) {
    snprintf(mapping->file, sizeof(mapping->file), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64,
             (int)pid, mapping->start, end);
    if (access(mapping->file, R_OK) != 0)
        snprintf(mapping->file, sizeof(mapping->file), "/proc/%d/root%s", (int)pid, mapping->path);
}

struct line {
    uint64_t start, end, offset;
    bool executable;
    const char *path;
};

// False for what is not mapped from a file.
static bool read_line(char *text, struct line *line) {
    char rights[5];
    int path = 0;
    if (sscanf(text, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %*s %n", &line->start, &line->end,
               rights, &line->offset, &path) != 4 ||
        path == 0 || text[path] != '/')
        return false;
    text[strcspn(text, "\n")] = '\0';
    line->executable = strchr(rights, 'x') != NULL;
    line->path = text + path;
    return true;
}

// The lines of a file follow one another. Its first page may be mapped twice, the second time for
// writing.
struct walk {
    pid_t pid;
    bool (*visit)(const struct mapping *mapping, void *context);
    void *context;
    bool begun;
    struct mapping mapping;
};

static bool end_file(struct walk *walk) {
    bool done = walk->begun && walk->visit(&walk->mapping, walk->context);
    walk->begun = false;
    return done;
}

static bool take_line(struct walk *walk, const struct line *line) {
    bool same = walk->begun && strcmp(walk->mapping.path, line->path) == 0;
    if (!same && end_file(walk))
        return true;
    if (!same && line->offset == 0) {
        walk->begun = true;
        walk->mapping.start = line->start;
        walk->mapping.executable = false;
        snprintf(walk->mapping.path, sizeof(walk->mapping.path), "%s", line->path);
        name_file(&walk->mapping, walk->pid, line->end);
    }
    walk->mapping.executable |= line->executable;
    return false;
}

bool memory_visit_files(pid_t pid, bool (*visit)(const struct mapping *mapping, void *context),
                        void *context) {
    char name[50], *text = NULL;
    size_t size = 0;
    struct walk walk = {.pid = pid, .visit = visit, .context = context};
    struct line line;
    bool done = false;
    snprintf(name, sizeof(name), "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(name, "re");
    if (maps == NULL)
        return false;
    while (!done && getline(&text, &size, maps) > 0) {
        if (read_line(text, &line))
            done = take_line(&walk, &line);
    }
    // Not whatever a visit has left there.
    int error = ferror(maps) != 0 ? errno : 0;
    done = done || end_file(&walk);
    free(text);
    fclose(maps);
    errno = error;
    return done;
}
