// What handler_guard is to find: at-fork handlers that do what they must not, in a library that it
// takes for the shim.
//
//   CARELESS=KIND LD_PRELOAD=careless_handlers.so:handler_guard.so program
//
//   prepare, child   malloc, in that handler
//   through-libc     strdup, which calls malloc
//   loader, dlopen   the loader's list of libraries, or one of them
//   stdio            vsnprintf, which the compiler may be told to fortify
//   lock             a lock that another thread may hold
//   wait             a system call that waits for another thread
//   stack            some KiB of it
//   nothing          nothing of the kind

#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int grpcforkshim_record; // by which it takes it for the shim
static const char *kind;
static void *volatile made; // so that the compiler leaves nothing out

static bool is(const char *name) {
    return strcmp(kind, name) == 0;
}

static int look(struct dl_phdr_info *image, size_t size, void *context) {
    (void)image;
    (void)size;
    (void)context;
    return 1;
}

__attribute__((noinline)) static void use_stack(void) {
    char much[4096];
    memset(much, 1, sizeof(much));
    __asm__ volatile("" : : "r"(much) : "memory");
}

static void lock(void) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
}

static void print(void) {
    char text[16];
    snprintf(text, sizeof(text), "%p", made);
}

static void prepare(void) {
    static uint32_t word;
    if (is("prepare"))
        made = malloc(1);
    if (is("through-libc"))
        made = strdup(kind);
    if (is("loader"))
        dl_iterate_phdr(look, NULL);
    if (is("dlopen"))
        made = dlopen(NULL, RTLD_LAZY);
    if (is("stdio"))
        print();
    if (is("lock"))
        lock();
    if (is("wait"))
        syscall(SYS_futex, &word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0);
    if (is("stack"))
        use_stack();
}

static void parent(void) {
}

static void child(void) {
    if (is("child"))
        made = malloc(1);
}

__attribute__((constructor)) static void start(void) {
    kind = getenv("CARELESS");
    if (kind != NULL)
        pthread_atfork(prepare, parent, child);
}
