#include "child.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

int wait_for_child(pid_t child) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            perror("waitpid");
            abort();
        }
    }
    return status;
}

void child_begin(void) {
    static const int caught_by_cmocka[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGSYS};
    for (size_t i = 0; i < sizeof(caught_by_cmocka) / sizeof(caught_by_cmocka[0]); i++)
        signal(caught_by_cmocka[i], SIG_DFL);
    alarm(CHILD_SECONDS);
}

static pid_t start(void (*run)(void *context), void *context, int new_stderr) {
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        perror("fork");
        abort();
    }
    if (child == 0) {
        child_begin();
        if (new_stderr >= 0)
            dup2(new_stderr, STDERR_FILENO);
        run(context);
        _exit(0);
    }
    return child;
}

int run_in_child(void (*run)(void *context), void *context) {
    return wait_for_child(start(run, context, -1));
}

int run_in_child_with_stderr(void (*run)(void *context), void *context, char *text, size_t size) {
    int ends[2];
    if (pipe(ends) != 0) {
        perror("pipe");
        abort();
    }
    pid_t child = start(run, context, ends[1]);
    close(ends[1]);
    size_t length = 0;
    ssize_t got = 1;
    while (length < size - 1 && got > 0) {
        got = read(ends[0], text + length, size - 1 - length);
        length += got > 0 ? (size_t)got : 0;
    }
    text[length] = '\0';
    close(ends[0]);
    return wait_for_child(child);
}
