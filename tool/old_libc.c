// The command runs wherever the library does, from glibc 2.17 on, also where it was built with a
// newer one. Some functions have a second symbol version in a newer glibc, with which a program
// does not start on an older system, though nothing that is asked of them here is new. They are
// defined here, for this program and for what is linked into it statically, and go back to what
// glibc has had all along.
//
// What was weighed: to build in an old system only (what everybody builds and tests at home would
// be another program than the one that is handed out), and a stub of the old libc to link with (a
// list of two thousand names to keep). tests/bats/package.bats notices what else a build needs.

#include <fcntl.h>
#include <fts.h>
#include <glob.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// The version of the symbols that an architecture began with. Elsewhere the command needs a glibc
// like the one that it was built with.
#if defined(__x86_64__)
#define FIRST_VERSION "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define FIRST_VERSION "GLIBC_2.17"
#endif

#ifdef FIRST_VERSION

// The names are the linker's: in the headers of a newer glibc a macro or a declaration leads
// elsewhere.
#define INSTEAD_OF(symbol) __asm__(symbol) __attribute__((visibility("hidden")))
#define FIRST(name, symbol) __asm__(".symver " #name ", " symbol "@" FIRST_VERSION)

// 2.33. Before, they were inline. The system calls fill struct stat on these architectures.
int status_at(const char *path, struct stat *status) INSTEAD_OF("stat");
int status_at_64(const char *path, struct stat *status) INSTEAD_OF("stat64");
int status_of_link(const char *path, struct stat *status) INSTEAD_OF("lstat");
int status_of_link_64(const char *path, struct stat *status) INSTEAD_OF("lstat64");
int status_of(int descriptor, struct stat *status) INSTEAD_OF("fstat");
int status_of_64(int descriptor, struct stat *status) INSTEAD_OF("fstat64");

int status_at(const char *path, struct stat *status) {
    return (int)syscall(SYS_newfstatat, AT_FDCWD, path, status, 0);
}

int status_at_64(const char *path, struct stat *status) {
    return (int)syscall(SYS_newfstatat, AT_FDCWD, path, status, 0);
}

int status_of_link(const char *path, struct stat *status) {
    return (int)syscall(SYS_newfstatat, AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW);
}

int status_of_link_64(const char *path, struct stat *status) {
    return (int)syscall(SYS_newfstatat, AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW);
}

int status_of(int descriptor, struct stat *status) {
    return (int)syscall(SYS_fstat, descriptor, status);
}

int status_of_64(int descriptor, struct stat *status) {
    return (int)syscall(SYS_fstat, descriptor, status);
}

// 2.27. It finds links that lead nowhere, too.
int glob_first(const char *pattern, int flags, int (*failed)(const char *path, int error),
               glob_t *found);
FIRST(glob_first, "glob64");
int glob_again(const char *pattern, int flags, int (*failed)(const char *path, int error),
               glob_t *found) INSTEAD_OF("glob64");

int glob_again(const char *pattern, int flags, int (*failed)(const char *path, int error),
               glob_t *found) {
    return glob_first(pattern, flags, failed, found);
}

// 2.23. On these architectures the older ones have the same structures.
FTS *fts_open_first(char *const *paths, int options,
                    int (*compare)(const FTSENT **, const FTSENT **)) __asm__("fts_open");
FTSENT *fts_read_first(FTS *tree) __asm__("fts_read");
int fts_set_first(FTS *tree, FTSENT *entry, int instruction) __asm__("fts_set");
int fts_close_first(FTS *tree) __asm__("fts_close");
FTS *fts_open_again(char *const *paths, int options,
                    int (*compare)(const FTSENT **, const FTSENT **)) INSTEAD_OF("fts64_open");
FTSENT *fts_read_again(FTS *tree) INSTEAD_OF("fts64_read");
int fts_set_again(FTS *tree, FTSENT *entry, int instruction) INSTEAD_OF("fts64_set");
int fts_close_again(FTS *tree) INSTEAD_OF("fts64_close");

FTS *fts_open_again(char *const *paths, int options,
                    int (*compare)(const FTSENT **, const FTSENT **)) {
    return fts_open_first(paths, options, compare);
}

FTSENT *fts_read_again(FTS *tree) {
    return fts_read_first(tree);
}

int fts_set_again(FTS *tree, FTSENT *entry, int instruction) {
    return fts_set_first(tree, entry, instruction);
}

int fts_close_again(FTS *tree) {
    return fts_close_first(tree);
}

// 2.38. They know binary numbers.
#define NUMBER(type, name)                                                                         \
    type name##_first(const char *text, char **end, int base) __asm__(#name);                      \
    type name##_again(const char *text, char **end, int base) INSTEAD_OF("__isoc23_" #name);       \
    type name##_again(const char *text, char **end, int base) {                                    \
        return name##_first(text, end, base);                                                      \
    }
NUMBER(long, strtol)
NUMBER(unsigned long, strtoul)
NUMBER(long long, strtoll)
NUMBER(unsigned long long, strtoull)

int vsscanf_first(const char *text, const char *format, va_list list) __asm__("__isoc99_vsscanf");
int sscanf_again(const char *text, const char *format, ...) INSTEAD_OF("__isoc23_sscanf");

int sscanf_again(const char *text, const char *format, ...) {
    va_list list;
    va_start(list, format);
    int count = vsscanf_first(text, format, list);
    va_end(list);
    return count;
}

// 2.34. A program begins here. It used to name the functions that run its constructors and
// destructors; since then glibc finds them itself, and a program built with it names none. An older
// glibc then runs none, and this program has none to miss.
typedef int main_function(int count, char **arguments, char **environment);
int start_first(main_function *main, int count, char **arguments, void (*construct)(void),
                void (*destroy)(void), void (*end_loader)(void), void *stack);
FIRST(start_first, "__libc_start_main");
int start_again(main_function *main, int count, char **arguments, void (*construct)(void),
                void (*destroy)(void), void (*end_loader)(void), void *stack)
    INSTEAD_OF("__libc_start_main");

int start_again(main_function *main, int count, char **arguments, void (*construct)(void),
                void (*destroy)(void), void (*end_loader)(void), void *stack) {
    return start_first(main, count, arguments, construct, destroy, end_loader, stack);
}

#endif
