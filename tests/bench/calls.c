// calls ADDRESS COUNT: so many unary calls by the C API, and the end: for counting instructions.

#include "client.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s ADDRESS COUNT\n", argv[0]);
        return 2;
    }
    grpc_init();
    struct client client = {
        .channel = open_channel(argv[1], NULL, NULL),
        .queue = grpc_completion_queue_create_for_pluck(NULL),
    };
    struct answer answer;
    for (int i = atoi(argv[2]); i > 0; i--) {
        if (!call_unary(&client, "unary", &answer)) {
            fprintf(stderr, "call: %s\n", answer.details);
            return 1;
        }
    }
    grpc_channel_destroy(client.channel);
    grpc_completion_queue_shutdown(client.queue);
    grpc_completion_queue_destroy(client.queue);
    grpc_shutdown();
    return 0;
}
