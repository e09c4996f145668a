// The record that a process keeps of itself, as other processes read it: the library exports it as
// the data symbol `grpcforkshim_record`. Part of no interface between versions: `layout` tells
// whether a reader knows it.
#ifndef GRPCFORKSHIM_PROCESS_RECORD_H
#define GRPCFORKSHIM_PROCESS_RECORD_H

#include <stdatomic.h>
#include <stdint.h>

// One line per counter: its name here and in reports.
//
//   forks                forks of this process, by _Fork() too; failed ones count
//   children_using_grpc  children of this process that have used gRPC; counted by them
//   descriptors_closed   inherited descriptors of gRPC's that this process closed after its fork
//   channels_rebuilt     inherited channels that got a connection of their own here
//   calls_cancelled      inherited calls that were still held when this process first used gRPC
#define COUNTERS(COUNTER)                                                                          \
    COUNTER(forks)                                                                                 \
    COUNTER(children_using_grpc)                                                                   \
    COUNTER(descriptors_closed)                                                                    \
    COUNTER(channels_rebuilt)                                                                      \
    COUNTER(calls_cancelled)

#define COUNTER_ENUMERATOR(name) COUNTER_##name,
enum counter { COUNTERS(COUNTER_ENUMERATOR) COUNTER_KINDS };

// What has become of gRPC in a process, and its name in reports.
//
//   none         it is not loaded, or was not used yet
//   protected    forks are survived
//   unprotected  it is there and can't be protected
//   disabled     it is there; GRPCFORKSHIM_DISABLE=1
//   inherited    a child of a protected process, before it uses gRPC
#define RECORD_STATES(STATE)                                                                       \
    STATE(none)                                                                                    \
    STATE(protected)                                                                               \
    STATE(unprotected)                                                                             \
    STATE(disabled)                                                                                \
    STATE(inherited)

#define RECORD_STATE_ENUMERATOR(name) RECORD_##name,
enum record_state { RECORD_STATES(RECORD_STATE_ENUMERATOR) RECORD_STATE_KINDS };

#define RECORD_SYMBOL "grpcforkshim_record"
#define RECORD_MAGIC "grpcforkshim"
#define RECORD_LAYOUT 3

// The cores that are protected as libraries, by their index, and one that is with the extension of
// Python that it is in.
enum { RECORD_LIBRARIES = 8, RECORD_EXTENSION = RECORD_LIBRARIES, RECORD_IMAGES };

struct record {
    char magic[16];
    uint32_t layout;
    uint32_t size;
    _Atomic uint32_t process; // its pid in its own namespace; a child's memory may be the parent's
    _Atomic uint32_t generation; // forks between it and the process that loaded gRPC
    _Atomic uint32_t state;      // enum record_state
    uint32_t descriptors_a_piece;
    // Where the images begin whose gRPC is protected; 0: none. A process may have more gRPCs, of
    // which these are told apart so. And whether one was met that can't be protected.
    _Atomic uint64_t protected_images[RECORD_IMAGES];
    _Atomic uint32_t refused;
    // Servers that this process made and has, through the C API or C++; those that it has of
    // processes before it, and the pid of the one before it, if that had any.
    _Atomic uint32_t servers;
    _Atomic uint32_t inherited_servers;
    _Atomic uint32_t server_process;
    // Addresses: of a pointer to the table of gRPC's descriptors, which is NULL or points to an
    // array of pointers to pieces, each NULL or one bit per descriptor and more; and of what the
    // process shares with its children (struct shared_memory), whose counters add to those here.
    uint64_t descriptors_table;
    uint64_t pieces;
    _Atomic uint64_t shared_memory;
    _Atomic uint64_t counters[COUNTER_KINDS];
};

// This process's. (The command, which reads those of others, has none.)
extern struct record process_record __attribute__((visibility("hidden")));

#endif
