#include "locks/openssl.h"

#include "base/compiler.h"
#include "base/file_status.h"
#include "base/log.h"
#include "base/own_threads.h"
#include "loader/image_list.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef int lock_function(pthread_rwlock_t *lock);
typedef int initialise_function(pthread_rwlock_t *lock, const pthread_rwlockattr_t *attributes);
typedef int mutex_function(pthread_mutex_t *mutex);
static lock_function lock_for_reading, lock_for_writing;
static mutex_function lock_mutex;

// What libcrypto imports. Before glibc 2.34 these are in libpthread, which this library is not
// linked with.
enum { WRITING, READING, INITIALISING, MUTEX, FUNCTIONS };
static const struct {
    const char *name;
    void *wrapper; // NULL where only the real one is needed
    bool is_needed;
} functions[FUNCTIONS] = {
    [WRITING] = {"pthread_rwlock_wrlock", (void *)(uintptr_t)lock_for_writing, true},
    [READING] = {"pthread_rwlock_rdlock", (void *)(uintptr_t)lock_for_reading, true},
    [INITIALISING] = {"pthread_rwlock_init", NULL, true},
    // Since OpenSSL 3.3.
    [MUTEX] = {"pthread_mutex_lock", (void *)(uintptr_t)lock_mutex, false},
};
static void *real[FUNCTIONS];

// There may be two of them, of two versions. On the heap, like all larger variables.
struct libcrypto {
    struct libcrypto *next;
    struct image image;
    void **slots[FUNCTIONS];
    bool is_other; // not OpenSSL as it is known, or not alone in its image
};
static struct libcrypto *libraries;
static _Atomic uint32_t
    bound_in; // the generation in which locks are made anew; 0: nothing is bound

#define REAL(type, function) ((type *)(uintptr_t)real[function])

// Makes a lock anew that this process meets for the first time. A word of it that the C library
// keeps free (bits/struct_rwlock.h), and that pthread_rwlock_init sets to 0, says where that was,
// or that a thread is at it: in a grandchild that thread's word is not this generation's.
#define RENEWING 0x80000000u
static void renew(pthread_rwlock_t *lock) {
    _Atomic uint32_t *renewed_in = (_Atomic uint32_t *)&lock->__data.__pad4;
    uint32_t generation = atomic_load_explicit(&bound_in, memory_order_relaxed);
    uint32_t seen = atomic_load_explicit(renewed_in, memory_order_acquire);
    while (unlikely(seen != generation)) {
        // OpenSSL gives its locks no attributes.
        if (lock->__data.__shared != 0)
            return;
        if (seen == (RENEWING | generation)) {
            sched_yield();
            seen = atomic_load_explicit(renewed_in, memory_order_acquire);
        } else if (atomic_compare_exchange_weak(renewed_in, &seen, RENEWING | generation)) {
            // The word has to stay as it is meanwhile.
            pthread_rwlock_t fresh;
            REAL(initialise_function, INITIALISING)(&fresh, NULL);
            fresh.__data.__pad4 = RENEWING | generation;
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

// A mutex has no free word, but says who holds it.
// Of several threads that come here at once, one frees it; the others wait for it as for any lock.
static int lock_mutex(pthread_mutex_t *mutex) {
    int holder = __atomic_load_n(&mutex->__data.__owner, __ATOMIC_RELAXED);
    int saved_errno = errno;
    if (unlikely(holder != 0) && !thread_is_here(holder) &&
        __atomic_compare_exchange_n(&mutex->__data.__owner, &holder, 0, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_RELAXED)) {
        mutex->__data.__nusers = 0;
        __atomic_store_n(&mutex->__data.__lock, 0, __ATOMIC_RELEASE);
        syscall(SYS_futex, &mutex->__data.__lock, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL,
                0);
        log_write(LOG_INFO, "freed a mutex of OpenSSL's that no thread of this process holds");
    }
    errno = saved_errno;
    return REAL(mutex_function, MUTEX)(mutex);
}

// Other code in the image takes locks that are none of OpenSSL's, in ways that are not seen here.
static bool is_foreign(const char *name) {
    static const char *const known[] = {"rdlock", "wrlock", "unlock", "init", "destroy"};
    static const char prefix[] = "pthread_rwlock";
    if (!image_name_begins(name, prefix))
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(known); i++) {
        if (name[sizeof(prefix) - 1] == '_' && strcmp(name + sizeof(prefix), known[i]) == 0)
            return false;
    }
    return true;
}

static void note_import(const struct image *image, const struct import *import, void *context) {
    struct libcrypto *library = context;
    (void)image;
    if (!image_name_begins(import->name, "pthread_"))
        return;
    library->is_other |= is_foreign(import->name);
    for (size_t i = 0; i < FUNCTIONS; i++) {
        struct image definer;
        if (!import->is_binding || strcmp(import->name, functions[i].name) != 0)
            continue;
        library->slots[i] = import->slot;
        if (real[i] == NULL && image_defining(import->name, &definer))
            real[i] = image_symbol(&definer, import->name);
    }
}

static bool is_known(const struct libcrypto *library) {
    for (size_t i = 0; i < FUNCTIONS; i++) {
        bool is_there = library->slots[i] != NULL && real[i] != NULL;
        if (!is_there && (functions[i].is_needed || library->slots[i] != NULL))
            return false;
    }
    return !library->is_other;
}

static bool is_libcrypto(const struct image *image) {
    // A program with OpenSSL inside has other code besides.
    return image->path[0] != '\0' && image_symbol(image, "CRYPTO_THREAD_write_lock") != NULL;
}

static bool is_noted(const struct image *image) {
    const struct libcrypto *library = libraries;
    while (library != NULL && library->image.dynamic != image->dynamic)
        library = library->next;
    return library != NULL;
}

static bool note_library(const struct image *image, void *context) {
    (void)context;
    if (!is_libcrypto(image) || is_noted(image))
        return false;
    struct libcrypto *library = calloc(1, sizeof(*library));
    if (library == NULL) {
        static bool said;
        log_once(said, LOG_ERROR,
                 "can't follow OpenSSL's locks, out of memory, a child may wait for one that was "
                 "held at its fork");
        return true;
    }
    library->image = *image;
    image_visit_imports(image, note_import, library);
    if (is_known(library)) {
        library->next = libraries;
        libraries = library;
    } else {
        log_write(LOG_INFO, "%s has other locks than those that can be freed in a child",
                  image->path);
        free(library);
    }
    return false;
}

void openssl_find(void) {
    image_visit(note_library, NULL);
}

// All or nothing: a reader that leaves no word would be taken for one of before the fork.
static void bind(struct libcrypto *library) {
    // gRPC need not be what keeps it loaded.
    if (!image_is_loaded(&library->image))
        return;
    for (size_t i = 0; i < FUNCTIONS; i++) {
        void *wrapper = functions[i].wrapper;
        if (wrapper == NULL || library->slots[i] == NULL || *library->slots[i] == wrapper)
            continue;
        if (image_patch_slot(&library->image, library->slots[i], wrapper))
            continue;
        while (i-- > 0) {
            if (functions[i].wrapper != NULL && library->slots[i] != NULL)
                image_patch_slot(&library->image, library->slots[i], real[i]);
        }
        return;
    }
}

void openssl_release_in_child(uint32_t generation) {
    if (libraries == NULL || !thread_is_alone())
        return;
    atomic_store(&bound_in, generation);
    for (struct libcrypto *library = libraries; library != NULL; library = library->next)
        bind(library);
}

void openssl_note_fork(uint32_t generation) {
    if (atomic_load(&bound_in) != 0)
        atomic_store(&bound_in, generation);
}
