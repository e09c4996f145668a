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
static struct function {
    const char *name;
    void *wrapper; // NULL where only the real one is needed
    void *real;
    void **slot;
} functions[] = {
    {"pthread_rwlock_rdlock", (void *)(uintptr_t)lock_for_reading, NULL, NULL},
    {"pthread_rwlock_wrlock", (void *)(uintptr_t)lock_for_writing, NULL, NULL},
    {"pthread_rwlock_init", NULL, NULL, NULL},
};
enum { READING, WRITING, INITIALISING };

static struct image *libcrypto; // a copy; NULL where there is none, or one that is built otherwise
static _Atomic uint32_t bound_in; // the generation in which locks are made anew

#define REAL(type, function) ((type *)(uintptr_t)functions[function].real)

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
    (void)image;
    (void)context;
    for (size_t i = 0; i < ARRAY_LENGTH(functions); i++) {
        struct image definer;
        if (strcmp(import->name, functions[i].name) != 0 || !image_defining(import->name, &definer))
            continue;
        functions[i].slot = import->slot;
        functions[i].real = image_symbol(&definer, import->name);
    }
}

void openssl_find(void) {
    struct image image;
    if (!image_defining("CRYPTO_THREAD_write_lock", &image))
        return;
    image_visit_imports(&image, note_import, NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(functions); i++) {
        if (functions[i].real == NULL) {
            log_write(LOG_INFO, "%s has other locks than those that can be freed in a child",
                      image.path);
            return;
        }
    }
    libcrypto = image_copy(&image);
}

// proc(5): one directory for each thread. Without /proc it is not known.
static bool is_only_thread(void) {
    struct stat threads;
    int saved_errno = errno;
    bool is_only = stat("/proc/self/task", &threads) == 0 && threads.st_nlink == 2 + 1;
    errno = saved_errno;
    return is_only;
}

void openssl_release_in_child(uint32_t generation) {
    if (libcrypto == NULL || !is_only_thread())
        return;
    atomic_store(&bound_in, generation);
    for (size_t i = 0; i < ARRAY_LENGTH(functions); i++) {
        if (functions[i].wrapper != NULL && *functions[i].slot != functions[i].wrapper)
            image_patch_slot(libcrypto, functions[i].slot, functions[i].wrapper);
    }
}
