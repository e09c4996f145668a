// One-line messages: `grpcforkshim[pid]: what, why, what happens now`.
#ifndef GRPCFORKSHIM_BASE_LOG_H
#define GRPCFORKSHIM_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_OFF, LOG_ERROR, LOG_INFO, LOG_DEBUG };

// Sets what is written and where. `file` is copied, and made absolute: programs change directories
// and overwrite their environment; NULL is stderr. The file is opened for each line, so that no
// descriptor of ours is ever in the program's way. Called once, from the constructor, before any
// other thread exists.
void log_configure(enum log_level level, const char *file);

// Opens a log file to append to it; no symbolic link is followed, none is waited for that reads a
// fifo, no terminal becomes the process's own. -1 with errno. The caller closes it, by a system
// call. Async-signal-safe.
int log_open(const char *file);

// True when a message of this level would be written.
bool log_enabled(enum log_level level);

// Writes one line in one write(2); a line is cut at 1,000 bytes. Allocates nothing, takes no lock,
// keeps errno; ends no program that nobody listens to. Any thread of any process may call it; the
// formats used here (%s %d %u %zu %p %x) make glibc's vsnprintf async-signal-safe in practice,
// though POSIX promises nothing.
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Writes one line that needs no formatting, as log_write does, but with some hundred bytes of stack
// and nothing of stdio: for at-fork handlers. Async-signal-safe; keeps errno. Any thread.
void log_text(enum log_level level, const char *text);

// Writes a line as it is, '\n' included, where the log goes, whatever the level. Async-signal-safe;
// keeps errno. Any thread.
void log_put(const char *line, size_t length);

// log_write for what shall be said at most once in this process and its children: `said` is the
// caller's static flag.
#define log_once(said, level, ...)                                                                 \
    do {                                                                                           \
        if (!__atomic_test_and_set(&(said), __ATOMIC_RELAXED))                                     \
            log_write(level, __VA_ARGS__);                                                         \
    } while (0)

#endif
