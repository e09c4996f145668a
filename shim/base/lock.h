// A mutex that a forked child can take over.
//
// No lock of ours is held across fork(): the parent's other threads must not wait for it
// (fork() of a large process takes milliseconds). So a child may inherit a lock whose holder does
// not exist there. What such a lock protects is built to be readable at any instant (see
// core/registry.h), and the child starts with the lock free.
#ifndef GRPCFORKSHIM_BASE_LOCK_H
#define GRPCFORKSHIM_BASE_LOCK_H

#include <pthread.h>

struct lock {
    pthread_mutex_t mutex;
};

#define LOCK_INITIALIZER                                                                           \
    { PTHREAD_MUTEX_INITIALIZER }

static inline void lock_acquire(struct lock *lock) {
    pthread_mutex_lock(&lock->mutex);
}

static inline void lock_release(struct lock *lock) {
    pthread_mutex_unlock(&lock->mutex);
}

// Makes the lock free whatever state it was inherited in. Only in a child, while the forking
// thread is its only one. Async-signal-safe: it writes memory and does nothing else.
static inline void lock_reset_in_child(struct lock *lock) {
    lock->mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

#endif
