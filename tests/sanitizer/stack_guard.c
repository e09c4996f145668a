// For the thread sanitizer of gcc 12, which remembers in a child the threads that stayed in the
// parent, and ends the process ("dup thread with used id") when a new one has the pthread_t of such
// a thread. libc gives that out again together with the stack of a thread that a fork left behind.
// It does not where a larger one is asked for; so each generation asks for more than its parents
// did.
//
// Preloaded behind the sanitizer's runtime, which calls it.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#define FIRST_SIZE ((size_t)16 << 20)
#define STEP ((size_t)1 << 20)

static _Atomic size_t generation;

static void count_fork(void) {
    atomic_fetch_add(&generation, 1);
}

__attribute__((constructor)) static void start(void) {
    pthread_atfork(NULL, NULL, count_fork);
}

typedef int create_thread(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

int pthread_create(pthread_t *thread, const pthread_attr_t *given, void *(*body)(void *),
                   void *argument) {
    static create_thread *_Atomic real;
    if (atomic_load(&real) == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    pthread_attr_t attributes;
    int detached = PTHREAD_CREATE_JOINABLE;
    if (given != NULL)
        pthread_attr_getdetachstate(given, &detached);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, detached);
    pthread_attr_setstacksize(&attributes, FIRST_SIZE + atomic_load(&generation) * STEP);
    int error = atomic_load(&real)(thread, &attributes, body, argument);
    pthread_attr_destroy(&attributes);
    return error;
}
