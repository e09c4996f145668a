// Many channels to one server, all in use before a fork, all used by the child.
//
// many_channels ADDRESS COUNT

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

struct program {
    int count;
    grpc_completion_queue *queue;
    grpc_channel **channels;
    struct answer *before;
};

static bool call_all(const char *who, const struct program *program, struct answer *answers) {
    int succeeded = 0;
    for (int i = 0; i < program->count; i++) {
        struct client client = {.channel = program->channels[i], .queue = program->queue};
        if (call_unary(&client, who, &answers[i])) {
            succeeded++;
        } else {
            printf("%s channel %d status %d %s\n", who, i, (int)answers[i].status,
                   answers[i].details);
            // One is enough to know, and each may take a call's whole deadline.
            break;
        }
    }
    printf("%s channels %d\n", who, succeeded);
    return succeeded == program->count;
}

static bool is_parents(const struct program *program, const char *peer) {
    for (int i = 0; i < program->count; i++) {
        if (strcmp(program->before[i].reply.peer, peer) == 0) {
            return true;
        }
    }
    return false;
}

static int child(void *argument) {
    struct program *program = argument;
    struct answer *answers = calloc((size_t)program->count, sizeof(*answers));
    bool passed = call_all("child", program, answers);
    int foreign = 0;
    for (int i = 0; i < program->count; i++) {
        foreign += is_parents(program, answers[i].reply.peer) ? 1 : 0;
    }
    printf("child connections_of_the_parent %d\n", foreign);
    for (int i = 0; i < program->count && passed; i++) {
        grpc_channel_destroy(program->channels[i]);
    }
    free(answers);
    return passed && foreign == 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc != 3 || atoi(argv[2]) <= 0) {
        fprintf(stderr, "usage: many_channels ADDRESS COUNT\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    grpc_init();
    struct program program = {.count = atoi(argv[2])};
    program.queue = grpc_completion_queue_create_for_pluck(NULL);
    program.channels = calloc((size_t)program.count, sizeof(grpc_channel *));
    program.before = calloc((size_t)program.count, sizeof(struct answer));
    for (int i = 0; i < program.count; i++) {
        // Else they would share one connection.
        grpc_arg argument = {.type = GRPC_ARG_INTEGER,
                             .key = (char *)"grpc.use_local_subchannel_pool",
                             .value.integer = 1};
        grpc_channel_args arguments = {1, &argument};
        program.channels[i] = open_channel(argv[1], NULL, &arguments);
    }
    bool passed = call_all("parent", &program, program.before);

    passed = run_in_child(child, &program) == 0 && passed;

    struct answer *after = calloc((size_t)program.count, sizeof(struct answer));
    passed = call_all("parent", &program, after) && passed;
    int lost = 0;
    for (int i = 0; i < program.count; i++) {
        lost += strcmp(after[i].reply.peer, program.before[i].reply.peer) != 0 ? 1 : 0;
    }
    printf("parent connections_lost %d\n", lost);
    for (int i = 0; i < program.count; i++) {
        grpc_channel_destroy(program.channels[i]);
    }
    grpc_completion_queue_shutdown(program.queue);
    grpc_completion_queue_destroy(program.queue);
    grpc_shutdown();
    free(after);
    free(program.before);
    free(program.channels);
    return passed && lost == 0 ? 0 : 1;
}
