#include "base/log.h"

#include "base/printable.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static enum log_level configured_level = LOG_ERROR;
static char *configured_file; // NULL: stderr

void log_configure(enum log_level level, const char *file) {
    char path[PATH_MAX] = "";
    size_t length = 0;
    configured_level = level;
    free(configured_file);
    configured_file = NULL;
    if (file == NULL)
        return;
    if (file[0] != '/' && getcwd(path, sizeof(path)) != NULL)
        length = strlen(path);
    snprintf(path + length, sizeof(path) - length, "%s%s", length > 0 ? "/" : "", file);
    configured_file = strdup(path);
    if (configured_file == NULL)
        log_write(LOG_ERROR, "can't keep the name of the log file, out of memory, the log goes "
                             "to standard error");
}

bool log_enabled(enum log_level level) {
    return level <= configured_level;
}

// System calls instead of libc's functions here: some are interposed by this very library.

int log_open(const char *file) {
    return (int)syscall(
        SYS_openat, AT_FDCWD, file,
        O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
}

// What a line meets must not end the program, which would not have written it: SIGPIPE where nobody
// reads standard error any more, SIGXFSZ where the file is as long as it may be.
static void write_unharmed(int descriptor, const struct iovec *parts, int count) {
    const uint64_t deadly = 1ull << (SIGPIPE - 1) | 1ull << (SIGXFSZ - 1);
    uint64_t before = 0, pending = 0;
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, &deadly, &before, sizeof(before));
    syscall(SYS_rt_sigpending, &pending, sizeof(pending));
    if (syscall(SYS_writev, descriptor, parts, count) < 0) {
        // The signal is this thread's, and there at once; one that was pending is the program's.
        uint64_t ours = deadly & ~pending;
        struct timespec none = {0, 0};
        syscall(SYS_rt_sigtimedwait, &ours, NULL, &none, sizeof(ours));
    }
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof(before));
}

static void write_line(const struct iovec *parts, int count) {
    int descriptor = -1;
    if (configured_file != NULL)
        descriptor = log_open(configured_file);
    write_unharmed(descriptor < 0 ? STDERR_FILENO : descriptor, parts, count);
    if (descriptor >= 0)
        syscall(SYS_close, descriptor);
}

void log_put(const char *line, size_t length) {
    int saved_errno = errno;
    const struct iovec part = {(void *)(uintptr_t)line, length};
    write_line(&part, 1);
    errno = saved_errno;
}

// Writes the number before `end`; returns where it begins.
static char *format_number(unsigned number, char *end) {
    do {
        *--end = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return end;
}

void log_text(enum log_level level, const char *text) {
    if (!log_enabled(level))
        return;
    int saved_errno = errno;
    static const char name[] = "grpcforkshim[", after[] = "]: ";
    char digits[16];
    char *number = format_number((unsigned)syscall(SYS_getpid), digits + sizeof(digits));
    const struct iovec parts[] = {
        {(void *)(uintptr_t)name, sizeof(name) - 1},
        {number, (size_t)(digits + sizeof(digits) - number)},
        {(void *)(uintptr_t)after, sizeof(after) - 1},
        {(void *)(uintptr_t)text, strlen(text)},
        {(void *)(uintptr_t) "\n", 1},
    };
    write_line(parts, sizeof(parts) / sizeof(parts[0]));
    errno = saved_errno;
}

void log_write(enum log_level level, const char *format, ...) {
    if (!log_enabled(level))
        return;
    int saved_errno = errno;
    char line[1001];
    int length = snprintf(line, sizeof(line) - 1, "grpcforkshim[%d]: ", (int)syscall(SYS_getpid));
    va_list arguments;
    va_start(arguments, format);
    int added = vsnprintf(line + length, sizeof(line) - 1 - (size_t)length, format, arguments);
    va_end(arguments);
    if (added > 0)
        length += added;
    if (length > (int)sizeof(line) - 2)
        length = (int)sizeof(line) - 2;
    printable_make(line, (size_t)length);
    line[length++] = '\n';
    log_put(line, (size_t)length);
    errno = saved_errno;
}
