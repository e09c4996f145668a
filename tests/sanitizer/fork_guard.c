// Address sanitizer's allocator, of gcc 12, does not survive fork() in a process with threads: a
// lock of it may be held by a thread that the child does not have. (Met in 1 of 30 children under 8
// calling threads; gcc 14's has at-fork handlers.) Preloaded in front of its runtime, this lets no
// fork happen while another thread is in the allocator.

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
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

static pthread_rwlock_t forking = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
// How often this thread is in the allocator, or has it locked for a fork.
static _Thread_local unsigned depth __attribute__((tls_model("initial-exec")));

static void enter(void) {
    if (depth++ == 0)
        pthread_rwlock_rdlock(&forking);
}

static void leave(void) {
    int saved_errno = errno;
    if (--depth == 0)
        pthread_rwlock_unlock(&forking);
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

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *),
                   void *argument) {
    return GUARDED(int, __interceptor_pthread_create(thread, attributes, body, argument));
}

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
    if (depth++ == 0)
        pthread_rwlock_wrlock(&forking);
}

static void forked(void) {
    if (--depth == 0)
        pthread_rwlock_unlock(&forking);
}

static void forked_child(void) {
    forking = (pthread_rwlock_t)PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
    depth--;
}

__attribute__((constructor)) static void start(void) {
    pthread_atfork(prepare, forked, forked_child);
}
