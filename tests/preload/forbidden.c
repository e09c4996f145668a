// The functions that no at-fork handler of the shim's may call, each with its real one behind it.
//
// malloc and its kin: another handler, an allocator's own, has locked it, or a thread that a child
// does not have. The loader's functions: its locks are held while constructors run, and it
// allocates. Standard I/O, which allocates and locks. What waits for another thread, or takes a
// lock of libc's that is held while it allocates.
//
// What these call inside of libc is not seen, and need not be: they are not called themselves. But
// libc calls malloc and its kin as anybody does, from the loader as well.

#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#undef _FILE_OFFSET_BITS // which would make one name of two
#include "handler_guard.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <linux/futex.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHECK(name)                                                                                \
    if (__builtin_expect(guard_handler != NULL, 0))                                                \
    guard_fail(name)

// The real one in the last place keeps the caller's address, by which the loader's functions go.
#define FUNCTION(result, name, parameters, arguments)                                              \
    result name parameters {                                                                       \
        static void *known;                                                                        \
        CHECK(#name);                                                                              \
        return ((result(*) parameters)guard_real(&known, #name))arguments;                         \
    }

// --- malloc and its kin -------------------------------------------------------------------------

// By the names that libc has for these: the loader calls malloc to look for a name. Its other
// functions that allocate, strdup for one, call them by the usual names.
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

void *malloc(size_t size) {
    CHECK("malloc");
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    CHECK("calloc");
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size) {
    CHECK("realloc");
    return __libc_realloc(memory, size);
}

void *reallocarray(void *memory, size_t count, size_t size) {
    size_t whole;
    CHECK("reallocarray");
    if (!__builtin_mul_overflow(count, size, &whole))
        return __libc_realloc(memory, whole);
    errno = ENOMEM;
    return NULL;
}

void *memalign(size_t alignment, size_t size) {
    CHECK("memalign");
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    CHECK("aligned_alloc");
    return __libc_memalign(alignment, size);
}

void *valloc(size_t size) {
    CHECK("valloc");
    return __libc_memalign((size_t)getpagesize(), size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
    CHECK("posix_memalign");
    *memory = __libc_memalign(alignment, size);
    return *memory != NULL ? 0 : ENOMEM;
}

void free(void *memory) {
    CHECK("free");
    __libc_free(memory);
}

// --- memory of the kernel's ---------------------------------------------------------------------

// Profilers of memory stand in front of these (tcmalloc's does), with locks of their own.
FUNCTION(void *, mmap,
         (void *address, size_t size, int protection, int flags, int file, off_t offset),
         (address, size, protection, flags, file, offset))
FUNCTION(void *, mmap64,
         (void *address, size_t size, int protection, int flags, int file, off64_t offset),
         (address, size, protection, flags, file, offset))
FUNCTION(int, munmap, (void *address, size_t size), (address, size))
FUNCTION(void *, sbrk, (intptr_t more), (more))

// --- the loader ---------------------------------------------------------------------------------

typedef int visitor(struct dl_phdr_info *image, size_t size, void *context);

FUNCTION(void *, dlopen, (const char *path, int mode), (path, mode))
FUNCTION(int, dlclose, (void *handle), (handle))
FUNCTION(char *, dlerror, (void), ())
FUNCTION(int, dladdr, (const void *address, Dl_info *found), (address, found))
FUNCTION(int, dl_iterate_phdr, (visitor * visit, void *context), (visit, context))

// Not by itself: see guard_real.
void *dlsym(void *restrict handle, const char *restrict name) {
    CHECK("dlsym");
    return guard_dlsym()(handle, name);
}

// --- standard I/O -------------------------------------------------------------------------------

#undef putc
FUNCTION(FILE *, fopen, (const char *path, const char *mode), (path, mode))
FUNCTION(FILE *, fopen64, (const char *path, const char *mode), (path, mode))
FUNCTION(FILE *, fdopen, (int descriptor, const char *mode), (descriptor, mode))
FUNCTION(FILE *, open_memstream, (char **text, size_t *size), (text, size))
FUNCTION(FILE *, popen, (const char *command, const char *mode), (command, mode))
FUNCTION(int, fclose, (FILE * file), (file))
FUNCTION(int, fflush, (FILE * file), (file))
FUNCTION(size_t, fread, (void *to, size_t size, size_t count, FILE *file), (to, size, count, file))
FUNCTION(size_t, fwrite, (const void *from, size_t size, size_t count, FILE *file),
         (from, size, count, file))
FUNCTION(char *, fgets, (char *text, int size, FILE *file), (text, size, file))
FUNCTION(ssize_t, getline, (char **text, size_t *size, FILE *file), (text, size, file))
FUNCTION(int, fputs, (const char *text, FILE *file), (text, file))
FUNCTION(int, fputc, (int character, FILE *file), (character, file))
FUNCTION(int, putc, (int character, FILE *file), (character, file))
FUNCTION(int, putchar, (int character), (character))
FUNCTION(int, puts, (const char *text), (text))
FUNCTION(void, perror, (const char *text), (text))
FUNCTION(int, vprintf, (const char *format, va_list rest), (format, rest))
FUNCTION(int, vfprintf, (FILE * file, const char *format, va_list rest), (file, format, rest))
FUNCTION(int, vdprintf, (int descriptor, const char *format, va_list rest),
         (descriptor, format, rest))
FUNCTION(int, vsprintf, (char *text, const char *format, va_list rest), (text, format, rest))
FUNCTION(int, vsnprintf, (char *text, size_t size, const char *format, va_list rest),
         (text, size, format, rest))
FUNCTION(int, vasprintf, (char **text, const char *format, va_list rest), (text, format, rest))

// Those above do the work of those that take their arguments one by one.
#define VARIADIC(name, parameters, format, call)                                                   \
    int name parameters {                                                                          \
        va_list rest;                                                                              \
        CHECK(#name);                                                                              \
        va_start(rest, format);                                                                    \
        int result = call;                                                                         \
        va_end(rest);                                                                              \
        return result;                                                                             \
    }

VARIADIC(printf, (const char *format, ...), format, vprintf(format, rest))
VARIADIC(fprintf, (FILE * file, const char *format, ...), format, vfprintf(file, format, rest))
VARIADIC(dprintf, (int descriptor, const char *format, ...), format,
         vdprintf(descriptor, format, rest))
VARIADIC(sprintf, (char *text, const char *format, ...), format, vsprintf(text, format, rest))
VARIADIC(snprintf, (char *text, size_t size, const char *format, ...), format,
         vsnprintf(text, size, format, rest))
VARIADIC(asprintf, (char **text, const char *format, ...), format, vasprintf(text, format, rest))

// What a compiler makes of them that is told to fortify: Debian's packages are built so.
int __printf_chk(int flag, const char *format, ...);
int __fprintf_chk(FILE *file, int flag, const char *format, ...);
int __snprintf_chk(char *text, size_t size, int flag, size_t room, const char *format, ...);
int __vfprintf_chk(FILE *file, int flag, const char *format, va_list rest);
int __vsnprintf_chk(char *text, size_t size, int flag, size_t room, const char *format,
                    va_list rest);

VARIADIC(__printf_chk, (int flag __attribute__((unused)), const char *format, ...), format,
         vprintf(format, rest))
VARIADIC(__fprintf_chk, (FILE * file, int flag __attribute__((unused)), const char *format, ...),
         format, vfprintf(file, format, rest))
VARIADIC(__snprintf_chk,
         (char *text, size_t size, int flag __attribute__((unused)),
          size_t room __attribute__((unused)), const char *format, ...),
         format, vsnprintf(text, size, format, rest))
FUNCTION(int, __vfprintf_chk, (FILE * file, int flag, const char *format, va_list rest),
         (file, flag, format, rest))
FUNCTION(int, __vsnprintf_chk,
         (char *text, size_t size, int flag, size_t room, const char *format, va_list rest),
         (text, size, flag, room, format, rest))

// --- what waits, and libc's lists ---------------------------------------------------------------

FUNCTION(int, pthread_mutex_lock, (pthread_mutex_t * lock), (lock))
FUNCTION(int, pthread_rwlock_rdlock, (pthread_rwlock_t * lock), (lock))
FUNCTION(int, pthread_rwlock_wrlock, (pthread_rwlock_t * lock), (lock))
FUNCTION(int, pthread_once, (pthread_once_t * flag, void (*body)(void)), (flag, body))
FUNCTION(int, pthread_join, (pthread_t thread, void **result), (thread, result))
FUNCTION(int, pthread_create,
         (pthread_t * thread, const pthread_attr_t *attributes, void *(*body)(void *),
          void *argument),
         (thread, attributes, body, argument))

int __cxa_atexit(void (*destructor)(void *), void *object, void *image);
FUNCTION(int, __cxa_atexit, (void (*destructor)(void *), void *object, void *image),
         (destructor, object, image))

static bool waits(long number, long operation) {
    long command = operation & FUTEX_CMD_MASK;
    return number == SYS_futex &&
           (command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET || command == FUTEX_LOCK_PI);
}

// All system calls have six arguments at most; libc's takes them whether they are there or not.
long syscall(long number, ...) {
    static void *known;
    long arguments[6];
    va_list rest;
    va_start(rest, number);
    for (int i = 0; i < 6; i++)
        arguments[i] = va_arg(rest, long);
    va_end(rest);
    if (waits(number, arguments[1]))
        CHECK("a wait for another thread");
    return ((long (*)(long, ...))guard_real(&known, "syscall"))(
        number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
}
