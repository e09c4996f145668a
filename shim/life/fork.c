#include "life/fork.h"

#include "base/compiler.h"
#include "base/generation.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/own_threads.h"
#include "cores/state.h"
#include "descriptors/descriptors.h"
#include "life/order.h"
#include "loader/image_list.h"
#include "loader/loader_lock.h"
#include "locks/exit_list.h"
#include "locks/libc_lock.h"
#include "locks/openssl.h"
#include "process/identity.h"
#include "process/shared_memory.h"
#include "report/counters.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

static void prepare(void) {
    lock_note_handler(true, false);
    order_run(order_prepare);
    lock_note_handler(false, false);
}

static void parent(void) {
    lock_note_handler(true, false);
    order_run(order_parent);
    lock_note_handler(false, false);
}

// Before anything else: what follows may meet one of these locks.
static void free_locks(bool is_alone) {
    if (is_alone)
        exit_forget_registrations_in_child(libc_locks_free_in_child());
    image_note_fork(loader_lock_free_in_child(is_alone));
}

static void child(void) {
    lock_note_handler(true, true);
    free_locks(true);
    order_run(order_child);
    if (cores_are_followed()) {
        identity_begin_child();
        order_run(order_new_child);
        openssl_note_fork(current_generation());
    } else {
        counters_reset_in_child(0);
        shared_memory_note_fork();
        shared_memory_leave_parent();
    }
    lock_note_handler(false, true);
}

// A child that no handler has seen may have other threads by now, which wait meanwhile.
static void become_unseen_child(void) {
    free_locks(thread_is_alone());
    order_run(order_new_child);
}

void fork_register_handlers(void) {
    static _Atomic bool registered;
    if (likely(atomic_load(&registered)) || atomic_exchange(&registered, true))
        return;
    identity_begin(cores_are_followed, become_unseen_child);
    if (pthread_atfork(prepare, parent, child) == 0)
        return;
    static bool said;
    log_once(said, LOG_ERROR,
             "can't register at-fork handlers, out of memory, a child keeps what gRPC has open "
             "until its first call");
    atomic_store(&registered, false); // another occasion may come
}

// --- _Fork() -----------------------------------------------------------------------------------

// The fork is announced as in prepare() where that neither makes anything nor waits. In a child
// that has not been noticed the memory shared is its parent's.
static bool announce(void) {
    if (!identity_is_noted() || shared_memory_known() == NULL)
        return false;
    counters_fork_begins();
    descriptors_fork_begins();
    return true;
}

pid_t fork_past_handlers(pid_t (*make)(void)) {
    bool announced = announce();
    pid_t made = make();
    int saved_errno = errno;
    if (made == 0)
        child();
    else if (announced)
        descriptors_fork_ended();
    errno = saved_errno;
    return made;
}
