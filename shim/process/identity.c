#include "process/identity.h"

#include "process/page.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic pid_t followed; // the process for which all that is remembered holds
// The page was set in that process, and is one that the kernel wipes.
static _Atomic bool was_ready;
static _Atomic pid_t noticing; // the process of which a thread is in notice
static bool (*has_followed)(void);
static void (*child_begins)(void);

pid_t identity_number(void) {
    return (pid_t)syscall(SYS_getpid);
}

void identity_begin(bool (*is_followed)(void), void (*become_child)(void)) {
    child_begins = become_child;
    has_followed = is_followed;
}

void identity_note_ready(void) {
    atomic_store(&was_ready, page_is_wiped() && page_is_ready());
}

// Nothing is left of what held for a process that was followed before, or for a parent.
void identity_note_process(void) {
    identity_note_ready();
    atomic_store(&followed, identity_number());
}

bool identity_is_noted(void) {
    return atomic_load(&followed) == identity_number();
}

// A child in a namespace of its own may have its parent's process id: process 1 of a container that
// makes another one has. There the page tells.
static bool is_unnoticed(pid_t self) {
    return atomic_load(&followed) != self || (atomic_load(&was_ready) && !page_is_ready());
}

// Of several threads that come here at once, one does it, and the others wait for it.
static void notice(void) {
    pid_t self = identity_number();
    while (has_followed != NULL && has_followed() && is_unnoticed(self)) {
        pid_t other = atomic_load(&noticing);
        if (other == self || !atomic_compare_exchange_strong(&noticing, &other, self)) {
            sched_yield();
            continue;
        }
        if (is_unnoticed(self)) {
            child_begins();
            atomic_store(&was_ready, false);
            // Last: the other threads wait for it.
            atomic_store(&followed, self);
        }
        atomic_store(&noticing, 0);
    }
}

void identity_notice_child(void) {
    // A kernel that wipes the page says so without a system call.
    if (page_is_ready() && page_is_wiped())
        return;
    int saved_errno = errno;
    notice();
    errno = saved_errno;
}

void identity_begin_child(void) {
    atomic_store(&noticing, 0);
    atomic_store(&was_ready, false);
    atomic_store(&followed, identity_number());
}
