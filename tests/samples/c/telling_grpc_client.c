// Calls a gRPC that says which of its functions are called, and says itself what it does. It forks
// before each call.
//
// telling_grpc_client

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void *grpc_completion_queue_factory_lookup(const void *attributes);
void *grpc_insecure_credentials_create(void);
void grpc_init(void);

static void say(const char *text) {
    if (write(STDOUT_FILENO, text, strlen(text)) < 0)
        _exit(1);
}

static void fork_and_wait(void) {
    say("program fork\n");
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    int status = 1;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        exit(1);
}

int main(void) {
    say("program main\n");
    fork_and_wait();
    grpc_completion_queue_factory_lookup(NULL);
    fork_and_wait();
    grpc_insecure_credentials_create();
    fork_and_wait();
    say("program init\n");
    grpc_init();
    return 0;
}
