// A parent and its child, both of which have called, waiting to be looked at.
//
// family ADDRESS [duplicate]   prints both pids; both end at the end of standard input. With
//                              "duplicate" the program has a duplicate of each descriptor of
//                              gRPC's, which its child keeps, since it is the program's.

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"

static struct client client;
static struct answer answer;

static void await_end(void) {
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
}

// All that is open when gRPC has called, but the standard ones, is gRPC's.
static void duplicate_all(void) {
    for (int descriptor = 3; descriptor < 100; descriptor++) {
        if (fcntl(descriptor, F_GETFD) != -1)
            dup2(descriptor, 100 + descriptor);
    }
}

int main(int count, char **arguments) {
    int status = 1;
    if (count < 2)
        return 2;
    grpc_init();
    client.channel = open_channel(arguments[1], NULL, NULL);
    client.queue = grpc_completion_queue_create_for_pluck(NULL);
    if (!report_unary("parent", &client, "from the parent", &answer))
        return 1;
    if (count > 2)
        duplicate_all();
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        bool passed = report_child_unary("child", &client, &answer);
        printf("child pid %d\n", (int)getpid());
        fflush(stdout);
        await_end();
        _exit(passed ? 0 : 1);
    }
    printf("parent pid %d\n", (int)getpid());
    fflush(stdout);
    waitpid(child, &status, 0);
    return status == 0 ? 0 : 1;
}
