// The memory of another process, read without stopping it.
#ifndef GRPCFORKSHIM_TOOL_MEMORY_H
#define GRPCFORKSHIM_TOOL_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// What is mapped from one file.
struct mapping {
    uint64_t start;  // where the file's first byte is
    bool executable; // some of it
    char path[4096];
    char file[4200]; // by which the file can be opened, also from another mount namespace
};

// Copies `size` bytes; false with errno where not all of them can be read (process_vm_readv(2):
// needs the rights of ptrace).
bool memory_read(pid_t pid, uint64_t address, void *bytes, size_t size);

// Calls `visit` for each file that is mapped from its first byte, until it returns true; returns
// whether it did. False with errno where the list can't be read, and with 0 where it was.
bool memory_visit_files(pid_t pid, bool (*visit)(const struct mapping *mapping, void *context),
                        void *context);

#endif
