// A lock that a forked child can take over.
//
// No lock of ours is held across fork(): the parent's other threads must not wait for it
// (fork() of a large process takes milliseconds). So a child may inherit a lock whose holder does
// not exist there. What such a lock protects is built to be readable at any instant (see
// objects/registry.h), and the child starts with the lock free.
//
// Six of these are taken in each call: an uncontended pthread mutex takes ten times the
// instructions (measured with callgrind on a unary call: 330 for the six pairs).
#ifndef GRPCFORKSHIM_BASE_LOCK_H
#define GRPCFORKSHIM_BASE_LOCK_H

#include "base/compiler.h"

#include <stdatomic.h>
#include <stdint.h>

// 0: free, 1: held, 2: held and perhaps waited for. The mutex of Ulrich Drepper, "Futexes Are
// Tricky".
struct lock {
    _Atomic uint32_t state;
};

#define LOCK_INITIALIZER                                                                           \
    { 0 }

// The slow halves: wait until the lock is free and take it; wake one waiter. They keep errno.
void lock_wait(struct lock *lock);
void lock_wake(struct lock *lock);

// Takes the lock; not recursive. Any thread. Not for signal handlers.
static inline void lock_acquire(struct lock *lock) {
    uint32_t free = 0;
    if (unlikely(!atomic_compare_exchange_strong_explicit(
            &lock->state, &free, 1, memory_order_acquire, memory_order_relaxed)))
        lock_wait(lock);
}

// Gives it back. The thread that took it.
static inline void lock_release(struct lock *lock) {
    if (unlikely(atomic_exchange_explicit(&lock->state, 0, memory_order_release) == 2))
        lock_wake(lock);
}

// Makes the lock free whatever state it was inherited in. Only in a child, while the forking thread
// is its only one. Async-signal-safe.
static inline void lock_reset_in_child(struct lock *lock) {
    atomic_store_explicit(&lock->state, 0, memory_order_relaxed);
}

#endif
