// A program with gRPC linked in statically, which forks twice.
//
// static_client

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <grpc/grpc.h>

int main(void) {
    grpc_init();
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        if (child == 0) {
            _exit(0);
        }
        int status = -1;
        waitpid(child, &status, 0);
        printf("child exit %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128);
    }
    grpc_shutdown();
    return 0;
}
