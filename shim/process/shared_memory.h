// The memory that a process shares with its children: what they have to ask of it, or tell it,
// after fork() has given them copies of everything else. Each process has its own, which its
// parent's is not.
#ifndef GRPCFORKSHIM_PROCESS_SHARED_MEMORY_H
#define GRPCFORKSHIM_PROCESS_SHARED_MEMORY_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

// What a descriptor leads to.
struct kernel_object {
    int descriptor; // -1: none
    uint32_t mode;
    uint64_t device;
    uint64_t inode;
};

// An entry is used again after so many more; the child looks at it some milliseconds later at most.
#define OPENINGS_REMEMBERED 1024

// What gRPC got by one system call: see descriptors/descriptors.c.
struct opening {
    _Atomic uint64_t number; // of the opening that is complete here
    struct kernel_object objects[2];
};

// But for the children's part a process uses it alone. A page that is shared is not write-protected
// by fork(), so what is written around each fork spares the parent two page faults here.
struct shared_memory {
    _Atomic int forks_under_way;
    _Atomic uint64_t forks;
    _Atomic uint64_t children_using_grpc;
    struct opening openings[OPENINGS_REMEMBERED];
};

// Memory of so many bytes for what is written before the first fork and never again, by no process:
// all descendants share it. fork() copies the page tables of memory that is not shared, 47 ns a
// page (measured: 64 pages of the heap cost 3.0 us, 64 shared ones nothing). NULL where memory is
// lacking; never freed. Keeps errno. One thread.
void *shared_memory_for_constants(size_t size);

// This process's, made if need be; NULL where memory is lacking. Keeps errno. Any thread.
struct shared_memory *shared_memory_own(void);

// The same, or NULL where it was not needed yet. Any thread; async-signal-safe.
struct shared_memory *shared_memory_known(void);

// What was this process's memory is its parent's from now on: it was just forked. Child,
// single-threaded, async-signal-safe.
void shared_memory_note_fork(void);

// The parent's, until the next function is called: NULL then, and where it had none. Child.
struct shared_memory *shared_memory_of_parent(void);
void shared_memory_leave_parent(void);

#endif
