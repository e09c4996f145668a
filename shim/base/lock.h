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
#include <stdbool.h>
#include <stdint.h>

// The order of all locks: a thread that holds one may take those below it, and no other. Each is
// reset in a child by its own module, at the moment that life/order.c names.
//
//   START     settings are read (life/work.c)
//   WORK      gRPC is found, or revived (life/work.c); gRPC's code runs, and may call the program
//   BUILDING  an object is built again (objects/revival.c: a mutex, recursive, not checked here);
//             gRPC's code runs, and may call the program
//   BINDING   imports of libgrpc++'s are bound (languages/cplusplus/cplusplus.c)
//   ENGINES   the list of event engines (languages/cplusplus/engine.c)
//   QUEUE     what a fork ended, of one completion queue (operations/completion_queue.c)
//   SETTINGS  the tracers that the program set (cores/settings.c)
//   SCOPE     which core an image's calls are bound to (cores/scope.c)
//   THUNKS    ways into wrappers that name a core (cores/thunk.c)
//   KEPT      functions for channel arguments (cores/snapshot.c)
//   RECORDS   a part of the registry (objects/registry.c)
//
// Builds of the type `debug` check it: they abort where a lock is taken out of order, or in an
// at-fork handler, which must take none (life/fork.h).
enum lock_rank {
    LOCK_START,
    LOCK_WORK,
    LOCK_BUILDING,
    LOCK_BINDING,
    LOCK_ENGINES,
    LOCK_QUEUE,
    LOCK_SETTINGS,
    LOCK_SCOPE,
    LOCK_THUNKS,
    LOCK_KEPT,
    LOCK_RECORDS,
};

// 0: free, 1: held, 2: held and perhaps waited for. The mutex of Ulrich Drepper, "Futexes Are
// Tricky".
struct lock {
    _Atomic uint32_t state;
#if GRPCFORKSHIM_CHECKS
    enum lock_rank rank;
#endif
};

#if GRPCFORKSHIM_CHECKS
#define LOCK_INITIALIZER(its_rank)                                                                 \
    { .rank = (its_rank) }

// Abort where the calling thread may not take the lock; and note that it has it, or no longer.
void lock_check_order(const struct lock *lock);
void lock_note_held(const struct lock *lock, bool held);

// The calling thread is in an at-fork handler, or is not any more; `in_child` forgets what it held,
// whose resets follow. Async-signal-safe.
void lock_note_handler(bool inside, bool in_child);
#else
#define LOCK_INITIALIZER(its_rank)                                                                 \
    { 0 }
#define lock_check_order(lock) ((void)0)
#define lock_note_held(lock, held) ((void)0)
#define lock_note_handler(inside, in_child) ((void)0)
#endif

// The slow halves: wait until the lock is free and take it; wake one waiter. They keep errno.
void lock_wait(struct lock *lock);
void lock_wake(struct lock *lock);

// Takes the lock; not recursive. Any thread. Not for signal handlers.
static inline void lock_acquire(struct lock *lock) {
    lock_check_order(lock);
    uint32_t free = 0;
    if (unlikely(!atomic_compare_exchange_strong_explicit(
            &lock->state, &free, 1, memory_order_acquire, memory_order_relaxed)))
        lock_wait(lock);
    lock_note_held(lock, true);
}

// Gives it back. The thread that took it.
static inline void lock_release(struct lock *lock) {
    lock_note_held(lock, false);
    if (unlikely(atomic_exchange_explicit(&lock->state, 0, memory_order_release) == 2))
        lock_wake(lock);
}

// Makes the lock free whatever state it was inherited in. Only in a child, while the forking thread
// is its only one. Async-signal-safe.
static inline void lock_reset_in_child(struct lock *lock) {
    atomic_store_explicit(&lock->state, 0, memory_order_relaxed);
}

#endif
