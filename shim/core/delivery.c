#include "core/delivery.h"

#include "base/compiler.h"
#include "core/functions.h"
#include "core/process.h"

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
static const struct timespec part = {.tv_nsec = 10 * 1000 * 1000};

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

static void wait_for_others(void) {
    uint32_t own = delivering, now;
    int parts = 0;
    while ((now = atomic_load(&running)) > own && parts < PATIENCE_PARTS) {
        if (syscall(SYS_futex, &running, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, now, &part, NULL, 0) !=
                0 &&
            errno == ETIMEDOUT)
            parts++;
    }
}

// A grandchild inherits the registration; it has one of its own if it used gRPC.
static void on_exit_of(void *generation) {
    process_notice_child();
    if ((uintptr_t)generation != process_generation())
        return;
    int saved_errno = errno;
    atomic_store(&exiting, true);
    wait_for_others();
    errno = saved_errno;
}

void delivery_watch_exit(void) {
    // Where there is no memory for it exit() goes on as without the shim.
    libc_function(__cxa_atexit)(on_exit_of, (void *)(uintptr_t)process_generation(), NULL);
}

void delivery_reset_in_child(void) {
    delivering = false;
    atomic_store(&running, 0);
    atomic_store(&exiting, false);
}
