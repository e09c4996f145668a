#include "base/lock.h"

#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

void lock_wait(struct lock *lock) {
    int saved_errno = errno;
    while (atomic_exchange_explicit(&lock->state, 2, memory_order_acquire) != 0)
        syscall(SYS_futex, &lock->state, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 2, NULL, NULL, 0);
    errno = saved_errno;
}

void lock_wake(struct lock *lock) {
    int saved_errno = errno;
    syscall(SYS_futex, &lock->state, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0);
    errno = saved_errno;
}

#if GRPCFORKSHIM_CHECKS

static THREAD_LOCAL uint32_t held; // a bit for each rank
static THREAD_LOCAL bool in_handler;

static void die(const char *what) {
    syscall(SYS_write, STDERR_FILENO, what, strlen(what));
    abort();
}

void lock_check_order(const struct lock *lock) {
    if (in_handler)
        die("grpcforkshim: a lock is taken in an at-fork handler\n");
    if (held >> lock->rank != 0)
        die("grpcforkshim: a lock is taken out of order\n");
}

void lock_note_held(const struct lock *lock, bool is_held) {
    held = is_held ? held | 1u << lock->rank : held & ~(1u << lock->rank);
}

void lock_note_handler(bool inside, bool in_child) {
    in_handler = inside;
    if (in_child)
        held = 0;
}

#endif
