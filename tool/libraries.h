// Which files the dynamic loader would map for a program: found the way it finds them (ld.so(8)),
// without running it or anything else. Which it has mapped, for a process.
#ifndef GRPCFORKSHIM_TOOL_LIBRARIES_H
#define GRPCFORKSHIM_TOOL_LIBRARIES_H

#include "elf_file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct library {
    struct elf_file *file;
    size_t needed_by; // its index; that of the first is 0, too
    uint64_t start;   // in a process: where it is mapped
};

// The program or library that it begins with comes first, then all that it needs, in the order in
// which the loader maps them.
struct libraries {
    struct library *items;
    size_t count;
    char **missing; // names that were not found, or of files that are mapped and can't be read
    size_t missing_count;
};

// Finds all of them. `first` belongs to the result from then on. LD_LIBRARY_PATH counts as it is in
// this process.
struct libraries *libraries_find(struct elf_file *first);

// Those that a process has now, in the order of its addresses, whatever root directory and
// environment it has. NULL where that can't be known.
struct libraries *libraries_mapped(pid_t pid);

void libraries_free(struct libraries *libraries);

#endif
