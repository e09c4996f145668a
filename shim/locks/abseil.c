#include "locks/abseil.h"

#include "base/compiler.h"
#include "base/log.h"
#include "base/record_memory.h"
#include "cores/core_images.h"
#include "cores/static_images.h"
#include "loader/image.h"
#include "loader/image_data.h"
#include "loader/image_list.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define IMAGES_MAXIMUM 32

// absl/base/internal/spinlock.h, the same in all versions since 2017.
#define SPINLOCK_HELD 1u
#define SPINLOCK_COOPERATIVE 2u
// absl/base/call_once.h: a once-flag whose initialiser is running, and one with waiters besides.
#define ONCE_RUNNING 0x65C2937Bu
#define ONCE_WAITER 94570706u
#define ONCE_INITIAL 0u

// absl/synchronization/mutex.h: enum class OnDeadlockCycle { kIgnore, kReport, kAbort }.
#define ON_DEADLOCK_CYCLE_IGNORE 0

// Abseil's images that have spinlocks, and what their data was at fork. On the heap; another table
// replaces it if abseil comes in once more, so that a child finds the one or the other whole.
struct table {
    size_t count;
    struct image images[IMAGES_MAXIMUM];
    bool gone[IMAGES_MAXIMUM]; // in a child: it was unloaded
    size_t size;               // bytes of writable data
    unsigned char copies[];    // the data of the images, one after the other
};
static _Atomic(struct table *) table;
static void (*set_deadlock_detection)(int mode);
static void *(*allocate)(size_t size); // LowLevelAlloc::Alloc
static struct image *allocator;        // a copy of the image that has it
static unsigned char *allocator_data;  // its data on the first day
static THREAD_LOCAL bool probing;      // whether the allocator's lock has a holder
static struct image *pool;             // a copy of the image that has RandenPool
static unsigned char *pool_data;
static jmp_buf *probe; // on the heap, like all larger variables

// SpinLock::SlowLock() is called from the inlined Lock() of every image that has a spinlock.
static bool is_spinlocks(const char *name) {
    if (name[0] == 'A')
        return image_name_begins(name, "AbslInternalSpinLockDelay");
    return image_name_begins(name, "_ZN4absl") &&
           (strstr(name, "8SpinLock8SlowLock") != NULL || strstr(name, "SpinLockWait") != NULL);
}

// A function of abseil's, by its name without the namespace.
static void bind_function(void *function, const struct image *image, const char *name) {
    void *address;
    memcpy(&address, function, sizeof(address));
    if (address == NULL)
        address = image_symbol_like(image, "_ZN4absl", name);
    memcpy(function, &address, sizeof(address));
}

static size_t data_size(const struct image *image) {
    return image->writable_end - image->writable_start;
}

static void say_lacking(void) {
    static bool said;
    log_once(said, LOG_ERROR,
             "can't follow abseil's locks, out of memory, a child may wait for one that was held "
             "at its fork");
}

// There may be other reasons for there being none.
static unsigned char *original_data(const struct image *image) {
    errno = 0;
    unsigned char *data = image_original_data(image);
    if (data == NULL && errno == ENOMEM)
        say_lacking();
    return data;
}

static bool find_in(const struct image *image, void *context) {
    struct table *found = context;
    // Abseil inside of gRPC's own images is rewound with them.
    if (core_images_cover((const void *)image->start) ||
        static_images_cover((const void *)image->start) ||
        image_find_import(image, is_spinlocks) == NULL)
        return false;
    bind_function(&set_deadlock_detection, image, "SetMutexDeadlockDetectionMode");
    if (allocate == NULL) {
        bind_function(&allocate, image, "13LowLevelAlloc5AllocEm");
        if (allocate != NULL) {
            probe = record_allocate(sizeof(*probe));
            allocator = image_copy(image);
            allocator_data = allocator != NULL ? original_data(image) : NULL;
            if (probe == NULL || allocator == NULL)
                say_lacking();
        }
    }
    if (pool_data == NULL && image_symbol_like(image, "_ZN4absl", "RandenPool") != NULL) {
        pool = image_copy(image);
        pool_data = pool != NULL ? original_data(image) : NULL;
    }
    found->images[found->count++] = *image;
    found->size += data_size(image);
    return found->count == IMAGES_MAXIMUM;
}

void abseil_find(void) {
    struct table *found = calloc(1, sizeof(*found));
    if (found == NULL) {
        say_lacking();
        return;
    }
    image_visit(find_in, found);
    struct table *whole = found->size > 0 ? realloc(found, sizeof(*found) + found->size) : NULL;
    if (whole == NULL) {
        if (found->size > 0)
            say_lacking();
        free(found);
        return;
    }
    memset(whole->copies, 0, whole->size);
    free(atomic_exchange(&table, whole));
    for (size_t i = 0; i < whole->count; i++)
        log_write(LOG_DEBUG, "%s has spinlocks, %zu bytes of data", whole->images[i].path,
                  data_size(&whole->images[i]));
}

// A plugin with abseil in it may have been unloaded. (Each child of such a process was ended by
// SIGSEGV.) msync(2) tells of memory that is not mapped.
static bool is_mapped(uintptr_t start, size_t size) {
    uintptr_t page = (uintptr_t)getpagesize();
    uintptr_t from = start & ~(page - 1);
    return syscall(SYS_msync, from, start + size - from, MS_ASYNC) == 0;
}

void abseil_remember_in_child(void) {
    int saved_errno = errno;
    probing = false;
    struct table *all = atomic_load(&table);
    size_t offset = 0;
    for (size_t i = 0; all != NULL && i < all->count; i++) {
        size_t size = data_size(&all->images[i]);
        all->gone[i] = !is_mapped(all->images[i].writable_start, size);
        if (all->gone[i])
            memset(all->copies + offset, 0, size);
        else
            memcpy(all->copies + offset, (const void *)all->images[i].writable_start, size);
        offset += size;
    }
    errno = saved_errno;
}

static bool is_gone(const void *address) {
    const struct table *all = atomic_load(&table);
    for (size_t i = 0; all != NULL && i < all->count; i++) {
        if (all->gone[i] && image_contains(&all->images[i], (uintptr_t)address))
            return true;
    }
    return false;
}

// Where the remembered value of a word is; NULL for a word that is in none of the images.
static uint32_t *remembered_word(const void *word) {
    struct table *all = atomic_load(&table);
    size_t start = 0;
    for (size_t i = 0; all != NULL && i < all->count; i++) {
        size_t offset = (uintptr_t)word - all->images[i].writable_start;
        size_t size = data_size(&all->images[i]);
        if (offset < size)
            return (uint32_t *)(all->copies + start + offset);
        start += size;
    }
    return NULL;
}

static bool is_held(uint32_t value) {
    return value == ONCE_RUNNING || value == ONCE_WAITER || (value & SPINLOCK_HELD);
}

static bool remembered_as_held(_Atomic uint32_t *word) {
    uint32_t *copy = remembered_word((const void *)word);
    return copy != NULL && is_held(__atomic_load_n(copy, __ATOMIC_ACQUIRE));
}

// Frees the word if its holder stayed behind in the parent. The remembered value is cleared first,
// so that of several waiters one does it.
static bool free_dead(_Atomic uint32_t *word) {
    uint32_t *copy = remembered_word((const void *)word);
    uint32_t then = copy != NULL ? __atomic_load_n(copy, __ATOMIC_ACQUIRE) : 0;
    bool once = then == ONCE_RUNNING || then == ONCE_WAITER;
    if (!is_held(then))
        return false;
    if (!__atomic_compare_exchange_n(copy, &then, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return false;
    if (once)
        atomic_store(word, ONCE_INITIAL);
    else
        atomic_fetch_and(word, SPINLOCK_COOPERATIVE);
    log_write(LOG_INFO, "freed an abseil spinlock that no thread of this process holds");
    return true;
}

// What abseil's own does (absl/base/internal/spinlock_linux.inc), after a look at who holds it. The
// arguments are the lock word, its value when last seen, how often this wait has been here, and a
// scheduling mode. A lock that another waiter just freed is no longer of that value, so the kernel
// does not wait for it.
static void delay(_Atomic uint32_t *word, uint32_t value, int loop, int mode) {
    (void)loop;
    (void)mode;
    if (probing && remembered_as_held(word))
        longjmp(*probe, 1);
    int saved_errno = errno;
    if (free_dead(word))
        syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX, NULL, NULL, 0);
    else
        syscall(SYS_futex, word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
    errno = saved_errno;
}

static void bind_delay(const struct image *image, const struct import *import, void *context) {
    bool *bound = context;
    if (image_name_begins(import->name, "AbslInternalSpinLockDelay"))
        *bound |= image_patch_slot(image, import->slot, (void *)(uintptr_t)delay);
}

// Some blocks that were allocated before a reset may be freed after it; the allocator counts.
#define SPARE_BLOCKS 64

// Abseil's allocator (of thread identities, say) must not be used when its lock was held: its free
// list may be half changed (measured: "bad magic number in Next()"). In this process, which has one
// thread, a wait for that lock has no end, and abseil's frames up to the wait have nothing to undo:
// so try, and jump out. The allocator is then put back to its first day; what it gave out stays.
static void repair_allocator(void) {
    if (allocate == NULL || probe == NULL || is_gone((const void *)(uintptr_t)allocate))
        return;
    probing = true;
    if (setjmp(*probe) == 0) {
        allocate(1);
        probing = false;
        return;
    }
    probing = false;
    bool reset = allocator_data != NULL;
    if (reset)
        image_put_data(allocator, allocator_data);
    for (size_t i = 0; reset && i < SPARE_BLOCKS; i++)
        allocate(1);
    log_write(LOG_INFO, "abseil's allocator was in use at fork, %s",
              reset ? "it starts afresh" : "its file can't be read, it may be damaged");
}

void abseil_release_in_child(void) {
    bool bound = false;
    struct table *all = atomic_load(&table);
    for (size_t i = 0; all != NULL && i < all->count; i++) {
        if (!all->gone[i])
            image_visit_imports(&all->images[i], bind_delay, &bound);
    }
    if (all != NULL && !bound)
        log_write(LOG_INFO, "abseil's spinlock waits can't be bound");
    if (set_deadlock_detection != NULL && !is_gone((const void *)(uintptr_t)set_deadlock_detection))
        set_deadlock_detection(ON_DEADLOCK_CYCLE_IGNORE);
    if (bound)
        repair_allocator();
    // The pool of random numbers has its spinlocks on the heap, where a dead holder can't be told;
    // a child should not go on with its parent's numbers anyway. It is made anew on its first use.
    if (pool_data != NULL && !is_gone((const void *)pool->start))
        image_put_data(pool, pool_data);
}
