// Ways into the wrappers that say which core the call is bound to.
//
// A wrapper can ask which image its caller is in, but a compiler makes a call that comes last in a
// function a jump: then the return address is that of the function's caller, which may be the
// program, or a plugin with another core. (Measured: a plugin's grpc_shutdown() went to the other
// plugin's core.) So where a process has several cores the slots of the images that call them lead
// to thunks, short pieces of code: each notes a core for this thread and jumps to a wrapper.
//
// Only in processes with several cores. On other machines than x86-64 the return address decides.
#ifndef GRPCFORKSHIM_CORES_THUNK_H
#define GRPCFORKSHIM_CORES_THUNK_H

#include <stdbool.h>

struct core;

// As many as there may be pairs of a core and a function.
#define THUNKS 2048 // as in thunk_x86_64.S

// Not for other rooms: as thunk_x86_64.S reads it.
struct thunk_entry {
    const struct core *core;
    void *function;
};

// The address of a thunk that leads to this function of ours and says that the call is bound to the
// core; the function itself where there is none to be had. Under the lock of the first use, or that
// of the bindings.
void *thunk_to(const struct core *core, void *function);

// Whether the address is that of any thunk. Any thread.
bool thunk_is_one(const void *address);

// The core that the thunk said by which the calling thread came in, once; NULL where it came in
// otherwise. Any thread; async-signal-safe.
struct core *thunk_take_core(void);

// Frees the lock. Child, single-threaded, async-signal-safe.
void thunk_reset_in_child(void);

#endif
