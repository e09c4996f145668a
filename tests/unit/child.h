// Parts of tests that run in a forked child: because they are about children, or because what they
// change can't be undone.
#ifndef GRPCFORKSHIM_TESTS_CHILD_H
#define GRPCFORKSHIM_TESTS_CHILD_H

#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

// No step of a test takes near as long; a child that does hangs.
#define CHILD_SECONDS 60

// Runs `run` in a child and returns the status that waitpid(2) gives: 0 when `run` returned. A
// child that hangs is ended by SIGALRM.
int run_in_child(void (*run)(void *context), void *context);

// The same; what the child writes to stderr is put into `text`, cut at `size` - 1 bytes.
int run_in_child_with_stderr(void (*run)(void *context), void *context, char *text, size_t size);

// What a child that was forked otherwise has to do first: cmocka's handlers of SIGSEGV and the like
// leave the test by longjmp, into a copy of the runner here, and nobody would notice a hang.
void child_begin(void);

// Waits for such a child.
int wait_for_child(pid_t child);

// Instead of cmocka's assertions, for the same reason: a child says what failed and ends.
#define require(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            dprintf(STDERR_FILENO, "%s:%d: failed in a child: %s\n", __FILE__, __LINE__,           \
                    #condition);                                                                   \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

#endif
