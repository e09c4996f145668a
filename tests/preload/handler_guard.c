// Ends a process by SIGABRT, with a backtrace, where one of the shim's at-fork handlers does what
// no such handler may: other handlers of the process have run before it, and hold what they lock.
//
//   LD_PRELOAD=libgrpcforkshim.so:handler_guard.so program
//
// Behind the shim, which looks libc's functions up in the images behind itself: so it registers its
// handlers with the __register_atfork below, and they run inside of the one that is registered
// instead. What they call of forbidden.c's functions is found here too, as what libc calls itself
// of malloc and its kin, in dlopen for example. (Preloaded in front, this library would hear of
// what the shim calls by name, but not of what it looks up.)
//
// HANDLER_GUARD_COUNTS names a file of numbers, 64 bits each, which all processes add to: how often
// prepare, parent and child ran, and the most bytes of stack that each needed. A test that finds no
// number there has tested nothing.

#define _GNU_SOURCE
#include "handler_guard.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum handler { PREPARE, PARENT, CHILD, HANDLERS };

static const char *const names[HANDLERS] = {"prepare", "parent", "child"};

// An alternate stack has 8 KiB as a rule (SIGSTKSZ). A signal's frame takes 3.5 of them where the
// processor has large registers, and fork() works with 1 more (measured, without the shim). Needed
// at most: 616 bytes in the child, 408 in the parent (where a line is printed), less than 256 in
// prepare.
#define STACK_MAXIMUM 1024
// How far down it is looked at, and what of it the painter itself may need.
#define STACK_PAINTED 32768
#define STACK_OF_PAINTER 256
#define PAINT UINT64_C(0x5ca1ab1e0ddba11)

static void (*handlers[HANDLERS])(void);

struct counts {
    _Atomic uint64_t runs[HANDLERS];
    _Atomic uint64_t stack[HANDLERS];
};
static struct counts nobody_asks;
static struct counts *counts = &nobody_asks;

GUARD_THREAD_LOCAL const char *guard_handler;

// --- what is said -------------------------------------------------------------------------------

static void say(const char *text) {
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        _exit(126);
}

static void say_number(uint64_t number) {
    char digits[21];
    char *first = digits + sizeof(digits) - 1;
    *first = '\0';
    do
        *--first = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    say(first);
}

void guard_fail(const char *what) {
    const char *handler = guard_handler;
    void *frames[64];
    guard_handler = NULL; // what follows may call whatever it likes
    say("handler_guard: ");
    say(what);
    say(" in the shim's handler ");
    say(handler);
    say("\n");
    backtrace_symbols_fd(frames, backtrace(frames, 64), STDERR_FILENO);
    // Ruby has a handler that says more than anybody wants to read.
    signal(SIGABRT, SIG_DFL);
    abort();
}

static void fail_of_stack(enum handler which, uint64_t size) {
    say("handler_guard: ");
    say_number(size);
    say(" bytes of stack are needed by the shim's handler ");
    say(names[which]);
    say("\n");
    signal(SIGABRT, SIG_DFL);
    abort();
}

// --- a handler's run ----------------------------------------------------------------------------

// The words below this function's own frame, which is where a handler's begins. Returns where that
// is.
__attribute__((noinline)) static uintptr_t paint(void) {
    uintptr_t top = (uintptr_t)__builtin_frame_address(0) & ~(uintptr_t)15;
    volatile uint64_t *word = (volatile uint64_t *)(top - STACK_OF_PAINTER);
    for (; (uintptr_t)word > top - STACK_PAINTED; word--)
        *word = PAINT;
    return top;
}

__attribute__((noinline)) static uint64_t painted_over(uintptr_t top) {
    const volatile uint64_t *word = (const volatile uint64_t *)(top - STACK_PAINTED) + 1;
    while ((uintptr_t)word <= top - STACK_OF_PAINTER && *word == PAINT)
        word++;
    return top - (uintptr_t)word;
}

static void note_stack(enum handler which, uint64_t size) {
    uint64_t most = atomic_load(&counts->stack[which]);
    while (size > most && !atomic_compare_exchange_weak(&counts->stack[which], &most, size)) {
    }
    if (size > STACK_MAXIMUM)
        fail_of_stack(which, size);
}

// A signal's handler would paint, too.
static void run(enum handler which) {
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    uintptr_t top = paint();
    guard_handler = names[which];
    handlers[which]();
    guard_handler = NULL;
    uint64_t size = painted_over(top);
    atomic_fetch_add(&counts->runs[which], 1);
    note_stack(which, size);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

static void run_prepare(void) {
    run(PREPARE);
}

static void run_parent(void) {
    run(PARENT);
}

static void run_child(void) {
    run(CHILD);
}

// --- registration -------------------------------------------------------------------------------

// Its versions on the architectures and in the releases that there are.
guard_dlsym_function *guard_dlsym(void) {
    static const char *const versions[] = {"GLIBC_2.34", "GLIBC_2.17", "GLIBC_2.2.5"};
    static void *known;
    void *address = __atomic_load_n(&known, __ATOMIC_RELAXED);
    for (size_t i = 0; address == NULL && i < sizeof(versions) / sizeof(versions[0]); i++)
        address = dlvsym(RTLD_NEXT, "dlsym", versions[i]);
    __atomic_store_n(&known, address, __ATOMIC_RELAXED);
    return (guard_dlsym_function *)address;
}

void *guard_real(void **known, const char *name) {
    void *address = __atomic_load_n(known, __ATOMIC_RELAXED);
    if (address == NULL) {
        address = guard_dlsym()(RTLD_NEXT, name);
        __atomic_store_n(known, address, __ATOMIC_RELAXED);
    }
    return address;
}

static bool is_shims(void (*handler)(void)) {
    Dl_info shim, image;
    void *record = guard_dlsym()(RTLD_DEFAULT, "grpcforkshim_record");
    return record != NULL && dladdr(record, &shim) != 0 &&
           dladdr((void *)(uintptr_t)handler, &image) != 0 && shim.dli_fbase == image.dli_fbase;
}

int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
                      void *image);

int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
                      void *image) {
    static void *known;
    int (*real)(void (*)(void), void (*)(void), void (*)(void), void *) =
        (__typeof__(real))guard_real(&known, "__register_atfork");
    if (guard_handler != NULL)
        guard_fail("__register_atfork"); // which waits for the lock of the list that is being run
    if (!is_shims(prepare))
        return real(prepare, parent, child, image);
    if (handlers[PREPARE] != NULL) {
        say("handler_guard: the shim registers handlers twice, which is not provided for\n");
        abort();
    }
    handlers[PREPARE] = prepare;
    handlers[PARENT] = parent;
    handlers[CHILD] = child;
    return real(run_prepare, run_parent, run_child, NULL);
}

static void open_counts(const char *path) {
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, sizeof(*counts)) != 0)
        _exit(126);
    void *shared = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (shared == MAP_FAILED)
        _exit(126);
    counts = shared;
    close(file);
}

__attribute__((constructor)) static void start(void) {
    void *frame;
    backtrace(&frame, 1); // loads the unwinder
    const char *path = getenv("HANDLER_GUARD_COUNTS");
    if (path != NULL)
        open_counts(path);
}
