#include "core/openssl.h"

#include "base/compiler.h"
#include "base/log.h"
#include "core/image.h"
#include "core/image_list.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef int lock_function(pthread_rwlock_t *lock);
typedef int initialise_function(pthread_rwlock_t *lock, const pthread_rwlockattr_t *attributes);
static lock_function lock_for_reading, lock_for_writing;

// What libcrypto imports. Before glibc 2.34 these are in libpthread, which this library is not
// linked with.
enum { READING, WRITING, INITIALISING, FUNCTIONS };
static const struct {
    const char *name;
    void *wrapper; // NULL where only the real one is needed
} functions[FUNCTIONS] = {
    [READING] = {"pthread_rwlock_rdlock", (void *)(uintptr_t)lock_for_reading},
    [WRITING] = {"pthread_rwlock_wrlock", (void *)(uintptr_t)lock_for_writing},
    [INITIALISING] = {"pthread_rwlock_init", NULL},
};
static void *real[FUNCTIONS];

// There may be two of them, of two versions. On the heap, like all larger variables.
struct libcrypto {
    struct libcrypto *next;
    struct image image;
    void **slots[FUNCTIONS];
};
static struct libcrypto *libraries;
static _Atomic uint32_t bound_in; // the generation in which locks are made anew

#define REAL(type, function) ((type *)(uintptr_t)real[function])

// Makes a lock anew that this process meets for the first time. A word of it that the C library
// keeps free (bits/struct_rwlock.h), and that pthread_rwlock_init sets to 0, says where that was.
// A lock that the forking thread holds itself is not met before it is given back.
#define RENEWING UINT32_MAX
static void renew(pthread_rwlock_t *lock) {
    _Atomic uint32_t *renewed_in = (_Atomic uint32_t *)&lock->__data.__pad4;
    uint32_t generation = atomic_load_explicit(&bound_in, memory_order_relaxed);
    uint32_t seen = atomic_load_explicit(renewed_in, memory_order_acquire);
    while (unlikely(seen != generation)) {
        if (seen == RENEWING) {
            sched_yield();
            seen = atomic_load_explicit(renewed_in, memory_order_acquire);
        } else if (atomic_compare_exchange_weak(renewed_in, &seen, RENEWING)) {
            // The word has to stay as it is meanwhile. OpenSSL gives its locks no attributes.
            pthread_rwlock_t fresh;
            REAL(initialise_function, INITIALISING)(&fresh, NULL);
            fresh.__data.__pad4 = RENEWING;
            memcpy(lock, &fresh, sizeof(fresh));
            atomic_store_explicit(renewed_in, generation, memory_order_release);
            return;
        }
    }
}

static int lock_for_reading(pthread_rwlock_t *lock) {
    renew(lock);
    return REAL(lock_function, READING)(lock);
}

static int lock_for_writing(pthread_rwlock_t *lock) {
    renew(lock);
    return REAL(lock_function, WRITING)(lock);
}

static void note_import(const struct image *image, const struct import *import, void *context) {
    struct libcrypto *library = context;
    (void)image;
    for (size_t i = 0; i < FUNCTIONS; i++) {
        struct image definer;
        if (strcmp(import->name, functions[i].name) != 0)
            continue;
        library->slots[i] = import->slot;
        if (real[i] == NULL && image_defining(import->name, &definer))
            real[i] = image_symbol(&definer, import->name);
    }
}

static bool note_library(const struct image *image, void *context) {
    (void)context;
    if (image_symbol(image, "CRYPTO_THREAD_write_lock") == NULL)
        return false;
    struct libcrypto *library = calloc(1, sizeof(*library));
    if (library == NULL)
        return true;
    library->image = *image;
    image_visit_imports(image, note_import, library);
    for (size_t i = 0; i < FUNCTIONS; i++) {
        if (library->slots[i] == NULL || real[i] == NULL) {
            log_write(LOG_INFO, "%s has other locks than those that can be freed in a child",
                      image->path);
            free(library);
            return false;
        }
    }
    library->next = libraries;
    libraries = library;
    return false;
}

void openssl_find(void) {
    image_visit(note_library, NULL);
}

// proc(5): one directory for each thread. Without /proc it is not known.
static bool is_only_thread(void) {
    struct stat threads;
    int saved_errno = errno;
    bool is_only = stat("/proc/self/task", &threads) == 0 && threads.st_nlink == 2 + 1;
    errno = saved_errno;
    return is_only;
}

static void bind(const struct libcrypto *library) {
    for (size_t i = 0; i < FUNCTIONS; i++) {
        if (functions[i].wrapper != NULL && *library->slots[i] != functions[i].wrapper)
            image_patch_slot(&library->image, library->slots[i], functions[i].wrapper);
    }
}

void openssl_release_in_child(uint32_t generation) {
    if (libraries == NULL || !is_only_thread())
        return;
    atomic_store(&bound_in, generation);
    for (const struct libcrypto *library = libraries; library != NULL; library = library->next)
        bind(library);
}
