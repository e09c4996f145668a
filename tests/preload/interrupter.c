// Interrupts a program's main thread once, by SIGUSR1, after the program has set a handler for it.
//
//   LD_PRELOAD=libgrpcforkshim.so:interrupter.so program
//
//   INTERRUPTER_CALL=N          before the Nth call by which the shim allocates, frees, asks the
//   loader
//                               or calls the kernel by syscall(): so what a handler meets that
//                               comes at a moment of chance is met each time, the locks that are
//                               held around such calls
//   INTERRUPTER_MICROSECONDS=N  N microseconds after the program has set its handler, or a little
//   later
//                               where that is in malloc or its kin: fork() would wait for what they
//                               have locked, with the shim or without

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

static _Thread_local volatile sig_atomic_t allocating,
    late __attribute__((tls_model("initial-exec")));
static pid_t process; // the one that was preloaded into; its main thread has this number, too
static long microseconds;
static long chosen; // of the shim's calls
static uintptr_t shim_start, shim_end;

static int set_action(int signal, const struct sigaction *action, struct sigaction *old) {
    static int (*real)(int signal, const struct sigaction *action, struct sigaction *old);
    if (real == NULL)
        real = (__typeof__(real))dlsym(RTLD_NEXT, "sigaction");
    return real(signal, action, old);
}

static bool has_handler(void) {
    struct sigaction action;
    return set_action(SIGUSR1, NULL, &action) == 0 && action.sa_handler != SIG_DFL &&
           action.sa_handler != SIG_IGN;
}

static void interrupt_before_call(const void *caller) {
    static long calls;
    if ((uintptr_t)caller >= shim_start && (uintptr_t)caller < shim_end && gettid() == process &&
        calls < chosen && has_handler() && ++calls == chosen)
        raise(SIGUSR1);
}

// The kernel gives it to any thread.
static void handle_alarm(int signal) {
    int saved_errno = errno;
    if (gettid() != process)
        syscall(SYS_tgkill, getpid(), process, signal);
    else if (allocating != 0)
        late = 1;
    else if (has_handler())
        raise(SIGUSR1);
    errno = saved_errno;
}

static void leave_allocator(void) {
    if (--allocating == 0 && late != 0 && has_handler()) {
        late = 0;
        raise(SIGUSR1);
    }
}

static int find_shim(struct dl_phdr_info *image, size_t size, void *record) {
    uintptr_t end = 0;
    (void)size;
    for (int i = 0; i < image->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &image->dlpi_phdr[i];
        if (header->p_type == PT_LOAD)
            end = image->dlpi_addr + header->p_vaddr + header->p_memsz;
    }
    if ((uintptr_t)record < image->dlpi_addr || (uintptr_t)record >= end)
        return 0;
    shim_start = image->dlpi_addr;
    shim_end = end;
    return 1;
}

static long number(const char *name) {
    const char *text = getenv(name);
    return text != NULL ? strtol(text, NULL, 10) : 0;
}

__attribute__((constructor)) static void start(void) {
    void *record = dlsym(RTLD_DEFAULT, "grpcforkshim_record");
    if (record != NULL)
        dl_iterate_phdr(find_shim, record);
    chosen = number("INTERRUPTER_CALL");
    microseconds = number("INTERRUPTER_MICROSECONDS");
    process = getpid();
}

// --- the calls that are interrupted -------------------------------------------------------------

// By the names that libc has for these: the loader calls malloc to look for a name.
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

#define ALLOCATE(call)                                                                             \
    interrupt_before_call(__builtin_return_address(0));                                            \
    allocating++;                                                                                  \
    void *made = call;                                                                             \
    leave_allocator();                                                                             \
    return made

void *malloc(size_t size) {
    ALLOCATE(__libc_malloc(size));
}

void *calloc(size_t count, size_t size) {
    ALLOCATE(__libc_calloc(count, size));
}

void *realloc(void *memory, size_t size) {
    ALLOCATE(__libc_realloc(memory, size));
}

void *memalign(size_t alignment, size_t size) {
    ALLOCATE(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size) {
    ALLOCATE(__libc_memalign(alignment, size));
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
    *memory = memalign(alignment, size);
    return *memory != NULL ? 0 : ENOMEM;
}

void free(void *memory) {
    interrupt_before_call(__builtin_return_address(0));
    allocating++;
    __libc_free(memory);
    leave_allocator();
}

int sigaction(int signal, const struct sigaction *restrict action, struct sigaction *restrict old) {
    const struct sigaction alarm = {.sa_handler = handle_alarm, .sa_flags = SA_RESTART};
    const struct itimerval once = {.it_value = {0, microseconds}};
    int result = set_action(signal, action, old);
    if (signal == SIGUSR1 && action != NULL && microseconds != 0) {
        set_action(SIGALRM, &alarm, NULL);
        setitimer(ITIMER_REAL, &once, NULL);
    }
    return result;
}

// In the last place the real one sees the caller's address, by which the loader goes.
#define FUNCTION(result, name, parameters, arguments)                                              \
    result name parameters {                                                                       \
        static result(*real) parameters;                                                           \
        if (real == NULL)                                                                          \
            real = (__typeof__(real))dlsym(RTLD_NEXT, #name);                                      \
        interrupt_before_call(__builtin_return_address(0));                                        \
        return real arguments;                                                                     \
    }

typedef int visitor(struct dl_phdr_info *image, size_t size, void *context);

FUNCTION(void *, dlopen, (const char *path, int mode), (path, mode))
FUNCTION(int, dl_iterate_phdr, (visitor * visit, void *context), (visit, context))

// All system calls have six arguments at most; libc's takes them whether they are there or not.
long syscall(long number, ...) {
    static long (*real)(long number, ...);
    long arguments[6];
    va_list rest;
    if (real == NULL)
        real = (__typeof__(real))dlsym(RTLD_NEXT, "syscall");
    va_start(rest, number);
    for (int i = 0; i < 6; i++)
        arguments[i] = va_arg(rest, long);
    va_end(rest);
    interrupt_before_call(__builtin_return_address(0));
    return real(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
                arguments[5]);
}
