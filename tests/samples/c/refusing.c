// A library to be preloaded that refuses the shim what the kernel or the C library may refuse.
//
//   REFUSE_WIPING=1   madvise(MADV_WIPEONFORK), as kernels before 4.14 do
//   REFUSE=N          the Nth of its requests for memory and threads in a process, its parents'
//                     before the fork included
//   REFUSE_FROM=N     that and all that follow
//   REFUSE_LOG=FILE   one line for each that was refused: `refused N FUNCTION in parent|child`
//
// A request is the shim's if its return address is: what libc does for it is not counted. Nor is
// what it passes on for others.

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

static uintptr_t shim_start, shim_end;
static long refused, refused_from;
static atomic_long requests;
static pid_t parent;

static int find_shim(struct dl_phdr_info *info, size_t size, void *unused) {
    (void)size;
    (void)unused;
    if (strstr(info->dlpi_name, "libgrpcforkshim") == NULL) {
        return 0;
    }
    shim_start = UINTPTR_MAX;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_LOAD) {
            shim_start = start < shim_start ? start : shim_start;
            shim_end = start + header->p_memsz;
        }
    }
    return 1;
}

static long number(const char *name) {
    const char *text = getenv(name);
    return text != NULL ? atol(text) : 0;
}

// The shim comes before in the order of symbols, and its constructor after this one.
__attribute__((constructor)) static void start(void) {
    parent = getpid();
    refused = number("REFUSE");
    refused_from = number("REFUSE_FROM");
    dl_iterate_phdr(find_shim, NULL);
}

static void note(long request, const char *function) {
    const char *path = getenv("REFUSE_LOG");
    int file = path != NULL ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (file >= 0) {
        dprintf(file, "refused %ld %s in %s\n", request, function,
                getpid() == parent ? "parent" : "child");
        close(file);
    }
}

static bool is_shims(const void *code) {
    return (uintptr_t)code >= shim_start && (uintptr_t)code < shim_end;
}

static bool refuses(const void *caller, const char *function) {
    if ((refused == 0 && refused_from == 0) || !is_shims(caller)) {
        return false;
    }
    long request = atomic_fetch_add(&requests, 1) + 1;
    if (request != refused && (refused_from == 0 || request < refused_from)) {
        return false;
    }
    note(request, function);
    errno = ENOMEM;
    return true;
}

#define REFUSES(function) refuses(__builtin_return_address(0), function)

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
    return REFUSES("malloc") ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    return REFUSES("calloc") ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size) {
    return REFUSES("realloc") ? NULL : __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    return REFUSES("aligned_alloc") ? NULL : __libc_memalign(alignment, size);
}

char *strdup(const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = REFUSES("strdup") ? NULL : __libc_malloc(size);
    return copy != NULL ? memcpy(copy, text, size) : NULL;
}

#define NEXT(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

void *mmap(void *address, size_t length, int protection, int flags, int descriptor, off_t offset) {
    return REFUSES("mmap") ? MAP_FAILED
                           : NEXT(mmap)(address, length, protection, flags, descriptor, offset);
}

int madvise(void *address, size_t length, int advice) {
    if (advice == MADV_WIPEONFORK && getenv("REFUSE_WIPING") != NULL) {
        errno = EINVAL;
        return -1;
    }
    return REFUSES("madvise") ? -1 : NEXT(madvise)(address, length, advice);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *),
                   void *argument) {
    return REFUSES("pthread_create") ? EAGAIN
                                     : NEXT(pthread_create)(thread, attributes, body, argument);
}

int __register_atfork(void (*prepare)(void), void (*in_parent)(void), void (*in_child)(void),
                      void *image);

int __register_atfork(void (*prepare)(void), void (*in_parent)(void), void (*in_child)(void),
                      void *image) {
    return is_shims((const void *)(uintptr_t)prepare) && REFUSES("__register_atfork")
               ? ENOMEM
               : NEXT(__register_atfork)(prepare, in_parent, in_child, image);
}

int __cxa_atexit(void (*destructor)(void *), void *object, void *image);

int __cxa_atexit(void (*destructor)(void *), void *object, void *image) {
    return is_shims((const void *)(uintptr_t)destructor) && REFUSES("__cxa_atexit")
               ? -1
               : NEXT(__cxa_atexit)(destructor, object, image);
}
