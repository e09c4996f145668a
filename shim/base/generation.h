// How many forks lie between this process and the one that loaded gRPC: which process an object, a
// lock or a registration belongs to. A counter that knows nothing of what is done at a fork.
#ifndef GRPCFORKSHIM_BASE_GENERATION_H
#define GRPCFORKSHIM_BASE_GENERATION_H

#include <stdatomic.h>
#include <stdint.h>

// Not to be used directly.
extern _Atomic uint32_t generation_count;

// Any thread, any process; async-signal-safe.
static inline uint32_t current_generation(void) {
    return atomic_load_explicit(&generation_count, memory_order_relaxed);
}

// A child begins: returns its generation. Child, single-threaded, async-signal-safe.
uint32_t generation_begin(void);

// The child's gRPC turned out not to be protected: it goes on as what its parent was. Under the
// lock of the first use.
void generation_take_back(void);

#endif
