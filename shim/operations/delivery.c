#include "operations/delivery.h"

#include "base/compiler.h"
#include "base/generation.h"
#include "base/log.h"
#include "cores/functions.h"
#include "locks/exit_list.h"
#include "process/identity.h"

#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// Half a second in parts: where the whole process was kept waiting meanwhile (a busy machine, a
// stopped one), it costs one of them.
#define PATIENCE_PARTS 50
#define PART_NANOSECONDS 10000000L

static _Atomic bool exiting;
static _Atomic uint32_t running; // threads between delivery_begin and delivery_end
static THREAD_LOCAL bool delivering;

bool delivery_begin(void) {
    if (!delivering)
        atomic_fetch_add(&running, 1);
    delivering = true;
    // After the announcement, as the other side looks for it after its own: one of them sees the
    // other's.
    if (likely(!atomic_load(&exiting)))
        return true;
    delivery_end();
    return false;
}

void delivery_end(void) {
    if (likely(!delivering))
        return;
    delivering = false;
    atomic_fetch_sub(&running, 1);
    if (atomic_load(&exiting))
        syscall(SYS_futex, &running, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0);
}

bool delivery_is_over(void) {
    return atomic_load(&exiting);
}

// FUTEX_WAIT_BITSET takes a point in time: a signal does not make a part longer.
static void end_of_part(struct timespec *end) {
    clock_gettime(CLOCK_MONOTONIC, end);
    end->tv_nsec += PART_NANOSECONDS;
    end->tv_sec += end->tv_nsec / 1000000000;
    end->tv_nsec %= 1000000000;
}

static void wait_for_others(void) {
    uint32_t own = delivering, now;
    struct timespec end;
    int parts = 0;
    end_of_part(&end);
    while ((now = atomic_load(&running)) > own && parts < PATIENCE_PARTS) {
        if (syscall(SYS_futex, &running, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, now, &end, NULL,
                    FUTEX_BITSET_MATCH_ANY) != 0 &&
            errno == ETIMEDOUT) {
            parts++;
            end_of_part(&end);
        }
    }
}

// A grandchild inherits the registration; it has one of its own if it used gRPC.
static void on_exit_of(void *generation) {
    identity_notice_child();
    if ((uintptr_t)generation != current_generation())
        return;
    int saved_errno = errno;
    atomic_store(&exiting, true);
    wait_for_others();
    errno = saved_errno;
}

void delivery_watch_exit(void) {
    if (exit_register(on_exit_of, (void *)(uintptr_t)current_generation(), NULL) != 0)
        log_write(LOG_ERROR, "can't watch for exit(), out of memory, reactions to what the fork "
                             "ended may come while this process exits");
}

void delivery_reset_in_child(void) {
    delivering = false;
    atomic_store(&running, 0);
    atomic_store(&exiting, false);
}
