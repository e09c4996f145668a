#include "core/fork.h"

#include "core/counters.h"
#include "core/descriptors.h"
#include "core/detection.h"
#include "core/image_list.h"
#include "core/openssl.h"
#include "core/process.h"
#include "core/shared_memory.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic pid_t followed; // the process for which what core/process.c knows holds
// The flag was set in that process, in a page that the kernel wipes.
static _Atomic bool was_ready;
static _Atomic pid_t noticing; // the process of which a thread is in notice

// Not getpid(): before glibc 2.25 it answered from memory, wrongly in a child of a bare clone().
static pid_t process_number(void) {
    return (pid_t)syscall(SYS_getpid);
}

void fork_note_ready(void) {
    atomic_store(&was_ready, process_flags_are_wiped() && process_is_ready());
}

// Nothing is left of what held for a process that was followed before, or for a parent.
void fork_note_process(void) {
    fork_note_ready();
    atomic_store(&followed, process_number());
}

static void become_child(void) {
    process_become_child();
    atomic_store(&was_ready, false);
}

// --- a child that no handler has seen ----------------------------------------------------------

// A child in a namespace of its own may have its parent's process id: process 1 of a container that
// makes another one has. There the page tells.
static bool is_unnoticed(pid_t self) {
    return atomic_load(&followed) != self || (atomic_load(&was_ready) && !process_is_ready());
}

// Of several threads that come here at once, one does it, and the others wait for it.
static void notice(void) {
    pid_t self = process_number();
    while (process_is_followed() && is_unnoticed(self)) {
        pid_t other = atomic_load(&noticing);
        if (other == self || !atomic_compare_exchange_strong(&noticing, &other, self)) {
            sched_yield();
            continue;
        }
        if (is_unnoticed(self)) {
            image_note_fork();
            become_child();
            // Last: the other threads wait for it.
            atomic_store(&followed, self);
        }
        atomic_store(&noticing, 0);
    }
}

void fork_notice_child(void) {
    // A kernel that wipes the page says so without a system call.
    if (process_is_ready() && process_flags_are_wiped())
        return;
    int saved_errno = errno;
    notice();
    errno = saved_errno;
}

// --- the handlers ------------------------------------------------------------------------------

static void prepare(void) {
    // A child that no handler has seen must not count its forks in what its parent shares.
    fork_notice_child();
    if (process_is_followed())
        shared_memory_own(); // for children to count themselves in
    counters_fork_begins();
    descriptors_fork_begins();
}

static void parent(void) {
    descriptors_fork_ended();
    detection_report();
}

static void child(void) {
    image_note_fork();
    // gRPC may be loaded later in this process, and what it has then be none of its parent's.
    descriptors_note_fork();
    process_reset_locks_in_child();
    atomic_store(&noticing, 0);
    if (process_is_followed()) {
        atomic_store(&followed, process_number());
        become_child();
        openssl_note_fork(process_generation());
    } else {
        counters_reset_in_child(0);
        shared_memory_note_fork();
        shared_memory_leave_parent();
    }
}

void fork_register_handlers(void) {
    static _Atomic bool registered;
    if (unlikely(!atomic_load(&registered)) && !atomic_exchange(&registered, true))
        pthread_atfork(prepare, parent, child);
}
