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

static bool read_line(char *line, struct mapping *mapping, pid_t pid) {
    uint64_t end, offset;
    int path = 0;
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %*s %*s %n", &mapping->start, &end,
               &offset, &path) != 3 ||
        offset != 0 || path == 0 || line[path] != '/')
        return false;
    line[strcspn(line, "\n")] = '\0';
    snprintf(mapping->path, sizeof(mapping->path), "%s", line + path);
    name_file(mapping, pid, end);
    return true;
}

bool memory_visit_files(pid_t pid, bool (*visit)(const struct mapping *mapping, void *context),
                        void *context) {
    char name[50], last[4096] = "", *line = NULL;
    size_t size = 0;
    struct mapping mapping;
    bool done = false;
    snprintf(name, sizeof(name), "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(name, "re");
    if (maps == NULL)
        return false;
    while (!done && getline(&line, &size, maps) > 0) {
        // A file's first page may be mapped twice, the second time for writing.
        if (read_line(line, &mapping, pid) && strcmp(mapping.path, last) != 0) {
            snprintf(last, sizeof(last), "%s", mapping.path);
            done = visit(&mapping, context);
        }
    }
    // Not whatever a visit has left there.
    int error = ferror(maps) != 0 ? errno : 0;
    free(line);
    fclose(maps);
    errno = error;
    return done;
}
