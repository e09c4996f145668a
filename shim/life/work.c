#include "life/work.h"

#include "base/compiler.h"
#include "base/configuration.h"
#include "base/lock.h"
#include "descriptors/descriptors.h"
#include "loader/image_list.h"
#include "report/counters.h"

#include <errno.h>
#include <stdatomic.h>

static struct lock lock = LOCK_INITIALIZER(LOCK_WORK);
static THREAD_LOCAL bool working;
static struct lock start_lock =
    LOCK_INITIALIZER(LOCK_START); // pthread_once is in libpthread before glibc 2.34

void work_begin(void) {
    lock_acquire(&lock);
    working = true;
}

void work_end(void) {
    working = false;
    lock_release(&lock);
}

bool work_is_mine(void) {
    return working;
}

void work_reset_in_child(void) {
    working = false;
    lock_reset_in_child(&lock);
    lock_reset_in_child(&start_lock);
}

static void start_once(void) {
    int saved_errno = errno;
    image_note_process();
    configuration_read();
    counters_start();
    descriptors_describe_table();
    errno = saved_errno;
}

void work_start_process(void) {
    static _Atomic bool started;
    if (likely(atomic_load_explicit(&started, memory_order_acquire)))
        return;
    lock_acquire(&start_lock);
    if (!atomic_load(&started)) {
        start_once();
        atomic_store(&started, true);
    }
    lock_release(&start_lock);
}
