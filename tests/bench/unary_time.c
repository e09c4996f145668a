// unary_time ADDRESS: the time of a unary call in a process that never forks.

#include "client.h"
#include "measure.h"

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s ADDRESS\n", argv[0]);
        return 2;
    }
    grpc_init();
    struct client client = {
        .channel = open_channel(argv[1], NULL, NULL),
        .queue = grpc_completion_queue_create_for_pluck(NULL),
    };
    struct answer answer;
    struct samples samples;
    while (next_burst(&samples, 1)) {
        for (size_t i = 0; i < samples.count; i++) {
            int64_t before = now_nanoseconds();
            if (!call_unary(&client, "unary", &answer)) {
                fprintf(stderr, "call: %s\n", answer.details);
                exit(1);
            }
            samples.values[i] = now_nanoseconds() - before;
        }
        finish_burst(&samples);
    }
    grpc_channel_destroy(client.channel);
    grpc_completion_queue_shutdown(client.queue);
    grpc_completion_queue_destroy(client.queue);
    grpc_shutdown();
    return 0;
}
