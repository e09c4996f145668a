// fork_time ADDRESS CHANNELS: the time of fork() in a parent with open channels, and the time until
// the child, which does nothing, has been waited for.

#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"
#include "measure.h"

static void allow_descriptors(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s ADDRESS CHANNELS\n", argv[0]);
        return 2;
    }
    size_t count = strtoul(argv[2], NULL, 10);
    allow_descriptors();
    grpc_init();

    // With the common pool all channels to one address share one connection.
    grpc_arg own_connection = {
        .type = GRPC_ARG_INTEGER,
        .key = GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL,
        .value.integer = 1,
    };
    grpc_channel_args arguments = {.num_args = 1, .args = &own_connection};
    struct client client = {.queue = grpc_completion_queue_create_for_pluck(NULL)};
    grpc_channel **channels = calloc(count, sizeof(*channels));
    for (size_t i = 0; i < count; i++) {
        struct answer answer;
        channels[i] = client.channel = open_channel(argv[1], NULL, &arguments);
        if (!call_unary(&client, "open", &answer)) {
            fprintf(stderr, "channel %zu: %s\n", i, answer.details);
            exit(1);
        }
    }

    struct samples samples;
    while (next_burst(&samples, 2)) {
        for (size_t i = 0; i < samples.count; i++) {
            int64_t before = now_nanoseconds();
            pid_t child = fork();
            if (child == 0) {
                _exit(0);
            }
            int64_t after = now_nanoseconds();
            if (child == -1) {
                fail("fork");
            }
            int status = wait_for(child);
            if (status != 0) {
                fprintf(stderr, "child status %d\n", status);
                exit(1);
            }
            samples.values[2 * i] = after - before;
            samples.values[2 * i + 1] = now_nanoseconds() - before;
        }
        finish_burst(&samples);
    }

    for (size_t i = 0; i < count; i++) {
        grpc_channel_destroy(channels[i]);
    }
    free(channels);
    grpc_completion_queue_shutdown(client.queue);
    grpc_completion_queue_destroy(client.queue);
    grpc_shutdown();
    return 0;
}
