// Forks with a gRPC that has at-fork handlers, and with handlers of its own. It prints which run.
#include <pthread.h>
#include <stdio.h>
#include <string.h>
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

int main(void) {
    grpc_init();
    pthread_atfork(prepare, in_parent, in_child);
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        if (child == 0) {
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
