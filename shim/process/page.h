// The page that the kernel wipes in every child (MADV_WIPEONFORK, madvise(2)): while one of its
// words is set, nothing is left to do before gRPC is called. So one load tells each call, and a
// child that was made past libc's at-fork handlers (_Fork, a bare clone system call) is noticed all
// the same.
#ifndef GRPCFORKSHIM_PROCESS_PAGE_H
#define GRPCFORKSHIM_PROCESS_PAGE_H

#include "base/compiler.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct page {
    _Atomic(void *) only;           // NULL after a fork
    _Atomic uint32_t ready;         // 0 after a fork
    _Atomic uint32_t runtime_ready; // the same, for a language's runtime
};

// Not to be used directly: what the functions below read.
extern _Atomic(struct page *) page_current;

// The process's only core (cores/core.h), if the process may call it; NULL where something is left
// to do first, or where it has several. Any thread; async-signal-safe.
static inline void *page_only(void) {
    struct page *page = atomic_load_explicit(&page_current, memory_order_relaxed);
    return atomic_load_explicit(&page->only, memory_order_acquire);
}

// Sets that, or with NULL takes it back: a second core was found. Any thread.
void page_set_only(void *core);

// True if the process may call gRPC. Any thread; async-signal-safe.
static inline bool page_is_ready(void) {
    struct page *page = atomic_load_explicit(&page_current, memory_order_relaxed);
    return atomic_load_explicit(&page->ready, memory_order_acquire) != 0;
}

// From now on it may. Any thread.
void page_set_ready(void);

// Makes the page; does nothing if it is there. If it can't be had, a page that is copied stands for
// it, which the at-fork handler clears. One thread.
void page_make(void);

// Whether the kernel clears it in every child. Any thread.
bool page_is_wiped(void);

// The word of a language's runtime, by which it notices that it is in a child: 0 in each one until
// the runtime sets it. Stays where it is once the page is made.
_Atomic uint32_t *page_runtime_ready(void);

// Clears the page if the kernel did not. Child, single-threaded, async-signal-safe.
void page_clear_in_child(void);

#endif
