// Forks with a gRPC that has at-fork handlers, and with handlers of its own. It prints which run.
//
// fake_grpc_client [exit|exit-system-call]
//
// With an argument the child leaves by exit() and does not use gRPC; with the second it is made by
// a system call, of which libc's at-fork handlers hear nothing.
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void grpc_init(void);
int grpc_is_initialized(void);

static void say(const char *text) {
    if (write(STDOUT_FILENO, text, strlen(text)) < 0) {
        _exit(1);
    }
}

static void prepare(void) {
    say("program prepare\n");
}

static void in_parent(void) {
    say("program parent\n");
}

static void in_child(void) {
    say("program child\n");
}

static pid_t make_child(bool by_system_call) {
    return by_system_call ? (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) : fork();
}

int main(int argc, char **argv) {
    bool exits = argc > 1;
    bool by_system_call = exits && strcmp(argv[1], "exit-system-call") == 0;
    grpc_init();
    pthread_atfork(prepare, in_parent, in_child);
    for (int i = 0; i < 2; i++) {
        pid_t child = make_child(by_system_call);
        if (child == 0) {
            if (exits) {
                exit(0);
            }
            grpc_init();
            _exit(grpc_is_initialized() ? 0 : 1);
        }
        int status = 1;
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
            return 1;
        }
    }
    return 0;
}
