#include "process/page.h"

#include "base/log.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// What stands until the page is made, and if it can't be made.
static struct page fallback;
HOT_DATA _Atomic(struct page *) page_current = &fallback;

void page_set_ready(void) {
    atomic_store(&atomic_load(&page_current)->ready, 1);
}

void page_set_only(void *core) {
    atomic_store(&atomic_load(&page_current)->only, core);
}

// No error: nothing is known of this program that is not protected, and next to none makes children
// by that system call.
static void say_not_wiped(void) {
    log_write(LOG_INFO,
              "no page can be had that is wiped at fork, %s, a child made by a bare clone system "
              "call won't be noticed and uses its parent's connections",
              strerror(errno));
}

void page_make(void) {
    if (page_is_wiped())
        return;
    size_t size = (size_t)getpagesize();
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    // Kernels before 4.14 refuse it, and filters of system calls may.
    if (page == MAP_FAILED || madvise(page, size, MADV_WIPEONFORK) != 0) {
        say_not_wiped();
        if (page != MAP_FAILED)
            munmap(page, size);
        return;
    }
    atomic_store(&page_current, (struct page *)page);
}

bool page_is_wiped(void) {
    return atomic_load(&page_current) != &fallback;
}

_Atomic uint32_t *page_runtime_ready(void) {
    return &atomic_load(&page_current)->runtime_ready;
}

// A write would give the child a page of its own.
void page_clear_in_child(void) {
    struct page *page = atomic_load(&page_current);
    if (atomic_load(&page->only) != NULL)
        atomic_store(&page->only, NULL);
    if (atomic_load(&page->ready) != 0)
        atomic_store(&page->ready, 0);
    if (atomic_load(&page->runtime_ready) != 0)
        atomic_store(&page->runtime_ready, 0);
}
