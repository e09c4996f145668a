// The allocators of address and thread sanitizer, of gcc 12, do not survive fork() in a process
// with threads: a lock of theirs may be held by a thread that the child does not have. (Met in 1 of
// 30 children under 8 calling threads with the former, in 1 of 600 with the latter; gcc 14's have
// at-fork handlers.) Preloaded in front of the runtime, this lets no fork happen while another
// thread is in the allocator; with GUARD_THREADS, nor while one makes a thread.

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

// What the runtime exports beside the names that it takes over.
void *__interceptor_malloc(size_t size);
void *__interceptor_calloc(size_t count, size_t size);
void *__interceptor_realloc(void *memory, size_t size);
int __interceptor_posix_memalign(void **memory, size_t alignment, size_t size);
void *__interceptor_aligned_alloc(size_t alignment, size_t size);
void __interceptor_free(void *memory);
int __interceptor_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                                 void *(*body)(void *), void *argument);

// No lock of libc's: thread sanitizer stands in front of those, and allocates before it can.
static _Atomic bool forking;
static _Atomic int inside; // threads
// How often this thread is in the allocator, or has it locked for a fork.
static _Thread_local unsigned depth __attribute__((tls_model("initial-exec")));

static void enter(void) {
    if (depth++ > 0)
        return;
    while (atomic_fetch_add(&inside, 1), atomic_load(&forking)) {
        atomic_fetch_sub(&inside, 1);
        sched_yield();
    }
}

static void leave(void) {
    int saved_errno = errno;
    if (--depth == 0)
        atomic_fetch_sub(&inside, 1);
    errno = saved_errno;
}

#define GUARDED(type, call)                                                                        \
    ({                                                                                             \
        enter();                                                                                   \
        type result = call;                                                                        \
        leave();                                                                                   \
        result;                                                                                    \
    })

void *malloc(size_t size) {
    return GUARDED(void *, __interceptor_malloc(size));
}

void *calloc(size_t count, size_t size) {
    return GUARDED(void *, __interceptor_calloc(count, size));
}

void *realloc(void *memory, size_t size) {
    return GUARDED(void *, __interceptor_realloc(memory, size));
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
    return GUARDED(int, __interceptor_posix_memalign(memory, alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size) {
    return GUARDED(void *, __interceptor_aligned_alloc(alignment, size));
}

void free(void *memory) {
    enter();
    __interceptor_free(memory);
    leave();
}

#ifdef GUARD_THREADS
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *),
                   void *argument) {
    return GUARDED(int, __interceptor_pthread_create(thread, attributes, body, argument));
}
#endif

// C++: new and delete, with and without alignment, size, and promises not to throw.
#define NEW(name, parameters, call)                                                                \
    void *name parameters;                                                                         \
    void *name parameters {                                                                        \
        return call;                                                                               \
    }
#define DELETE(name, parameters)                                                                   \
    void name parameters;                                                                          \
    void name parameters {                                                                         \
        free(memory);                                                                              \
    }
NEW(_Znwm, (size_t size), malloc(size))
NEW(_Znam, (size_t size), malloc(size))
NEW(_ZnwmRKSt9nothrow_t, (size_t size, void *nothrow), ((void)nothrow, malloc(size)))
NEW(_ZnamRKSt9nothrow_t, (size_t size, void *nothrow), ((void)nothrow, malloc(size)))
NEW(_ZnwmSt11align_val_t, (size_t size, size_t alignment), aligned_alloc(alignment, size))
NEW(_ZnamSt11align_val_t, (size_t size, size_t alignment), aligned_alloc(alignment, size))
DELETE(_ZdlPv, (void *memory))
DELETE(_ZdaPv, (void *memory))
DELETE(_ZdlPvm, (void *memory, size_t size __attribute__((unused))))
DELETE(_ZdaPvm, (void *memory, size_t size __attribute__((unused))))
DELETE(_ZdlPvSt11align_val_t, (void *memory, size_t alignment __attribute__((unused))))
DELETE(_ZdlPvmSt11align_val_t, (void *memory, size_t size __attribute__((unused)),
                                size_t alignment __attribute__((unused))))

static void prepare(void) {
    if (depth++ > 0)
        return;
    while (atomic_exchange(&forking, true))
        sched_yield();
    while (atomic_load(&inside) > 0)
        sched_yield();
}

static void forked(void) {
    if (--depth == 0)
        atomic_store(&forking, false);
}

static void forked_child(void) {
    atomic_store(&inside, 0);
    forked();
}

__attribute__((constructor)) static void start(void) {
    pthread_atfork(prepare, forked, forked_child);
}
