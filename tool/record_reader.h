// The record that the shim keeps in each process (shim/process/record.h), read from outside.
#ifndef GRPCFORKSHIM_TOOL_RECORD_READER_H
#define GRPCFORKSHIM_TOOL_RECORD_READER_H

#include "process/record.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum reading {
    READING_DONE,
    READING_NO_SHIM,       // the shim is not in that process
    READING_NOT_PERMITTED, // it may not be looked at
    READING_OTHER_VERSION, // the shim is there, of another version
    READING_NO_FILE,       // it has a shim, by the name; the file is not to be had any more
    READING_NO_PROCESS,
    READING_FAILED, // its memory is not as expected
};

struct process_record {
    char library[4096]; // the shim's file, also where the reading failed later
    struct record record;
    uint64_t counters[COUNTER_KINDS];
};

// Any process but this one.
enum reading record_read(pid_t pid, struct process_record *result);

// Whether the process's gRPC has this descriptor open, by its record.
bool record_tracks(pid_t pid, const struct record *record, unsigned descriptor);

#endif
