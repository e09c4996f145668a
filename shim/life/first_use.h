// What is due before a process calls gRPC: its data is copied at the first call of all, and in a
// child it is put back, initialised again, and given what the fork ended.
#ifndef GRPCFORKSHIM_LIFE_FIRST_USE_H
#define GRPCFORKSHIM_LIFE_FIRST_USE_H

#include "base/compiler.h"
#include "cores/core.h"
#include "process/page.h"

#include <stdint.h>

// Does what is still to be done before this process may call gRPC, and returns the core that the
// call is bound to. `caller` is the return address of the interposed call: for gRPC's own calls
// nothing is done. Any thread of any process; waits only for another thread of this process that is
// doing the same.
struct core *first_use_prepare(const void *caller);

// The same for calls that only give something back (destroy, release, shutdown): they are answered
// from the records alone and don't start gRPC in a child that hasn't used it.
struct core *first_use_prepare_release(const void *caller);

// What every wrapper begins with, the core that the call goes to: one load and one branch, once all
// is done, where the process has one.
static inline struct core *grpc_enter(const void *caller) {
    struct core *core = page_only();
    return likely(core != NULL) ? core : first_use_prepare(caller);
}

static inline struct core *grpc_enter_release(const void *caller) {
    struct core *core = page_only();
    return likely(core != NULL) ? core : first_use_prepare_release(caller);
}

// The program calls the core's grpc_init. Any thread that has passed grpc_enter.
void first_use_initialising(struct core *core, const void *caller);

// The program's call of grpc_init has returned. Looks whether the core is as the shim takes it to
// be, the first time. Any thread.
void first_use_initialised(struct core *core);

// The program calls grpc_shutdown. Returns whether gRPC has one to take back too: not where there
// was none, nor where it is not initialised in this process yet. Any thread.
bool first_use_take_back_initialisation(struct core *core);

// The program made a channel, or is about to make a server: a library for another language may have
// come in since the last one. Any thread.
void first_use_object_made(void);

// To be called by a language's runtime in a child before it uses a gRPC of its own there for the
// first time, whichever way the child was made: the rest of what is to be done at fork. Returns the
// generation. One thread.
uint32_t first_use_begin_child(void);

#endif
