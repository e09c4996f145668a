// A program that uses gRPC and closes descriptors in its own pthread_atfork() handlers.
//
// atfork_user ADDRESS

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"

static struct client client;
static struct answer before;
static int files[2];
static bool handler_passed;
static bool prepare_passed;

static void prepare_handler(void) {
    struct answer answer;
    prepare_passed = report_unary("prepare", &client, "prepare handler", &answer) &&
                     strcmp(answer.reply.peer, before.reply.peer) == 0;
}

static void parent_handler(void) {
    struct answer answer;
    prepare_passed = report_unary("parent", &client, "parent handler", &answer) &&
                     strcmp(answer.reply.peer, before.reply.peer) == 0 && prepare_passed;
}

static void child_handler(void) {
    close(files[0]);
    // Its number is taken by a descriptor that the child needs.
    int taken = open("/dev/null", O_RDONLY | O_CLOEXEC);
    handler_passed = report("child", "reused", taken == files[0]);
    handler_passed = report_child_unary("child", &client, &before) && handler_passed;
    close(files[1]);
}

static int child(void *argument) {
    (void)argument;
    bool passed = report("child", "still_open", fcntl(files[0], F_GETFD) != -1);
    passed = report("child", "closed", fcntl(files[1], F_GETFD) == -1) && passed;
    passed = report_child_unary("child", &client, &before) && passed;
    return passed && handler_passed ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: atfork_user ADDRESS\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (pthread_atfork(prepare_handler, parent_handler, child_handler) != 0) {
        return 2;
    }
    for (int i = 0; i < 2; i++) {
        files[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    grpc_init();
    client.channel = open_channel(argv[1], NULL, NULL);
    client.queue = grpc_completion_queue_create_for_pluck(NULL);
    bool passed = report_unary("parent", &client, "from the parent", &before);

    passed = run_in_child(child, NULL) == 0 && passed;

    passed = report("parent", "handlers", prepare_passed) && passed;
    passed = report("parent", "files_open",
                    fcntl(files[0], F_GETFD) != -1 && fcntl(files[1], F_GETFD) != -1) &&
             passed;
    passed = report_parent_again(&client, &before) && passed;
    grpc_channel_destroy(client.channel);
    grpc_completion_queue_shutdown(client.queue);
    grpc_completion_queue_destroy(client.queue);
    grpc_shutdown();
    return passed ? 0 : 1;
}
