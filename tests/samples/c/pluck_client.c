// Unary calls on a pluck queue, before and after a fork.
//
// pluck_client ADDRESS [--tls DIR] [--new-channel] [--new-queue] [--registered] [--arguments]
//              [--long-argument]   one more that no small block of memory holds

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/support/alloc.h>

#include "client.h"

#define MAXIMUM_RECEIVED 512
#define USER_AGENT "pluck_client/1.0 "
#define LONG_ARGUMENT_SIZE 10000

struct program {
    const char *address;
    const char *certificates;
    bool new_channel;
    bool new_queue;
    bool registered;
    bool arguments;
    bool long_argument;
    struct client client;
    struct answer before;
};

static grpc_channel *open_channel_with_arguments(const char *address, const char *certificates,
                                                 bool long_argument) {
    grpc_resource_quota *quota = grpc_resource_quota_create("pluck_client");
    grpc_resource_quota_resize(quota, 32 * 1024 * 1024);

    grpc_channel_args arguments = {.num_args = 3, .args = calloc(4, sizeof(grpc_arg))};
    arguments.args[0].type = GRPC_ARG_STRING;
    arguments.args[0].key = strdup(GRPC_ARG_PRIMARY_USER_AGENT_STRING);
    arguments.args[0].value.string = strdup("pluck_client/1.0");
    arguments.args[1].type = GRPC_ARG_INTEGER;
    arguments.args[1].key = strdup(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH);
    arguments.args[1].value.integer = MAXIMUM_RECEIVED;
    arguments.args[2].type = GRPC_ARG_POINTER;
    arguments.args[2].key = strdup(GRPC_ARG_RESOURCE_QUOTA);
    arguments.args[2].value.pointer.p = quota;
    arguments.args[2].value.pointer.vtable = grpc_resource_quota_arg_vtable();

    char *text = calloc(1, LONG_ARGUMENT_SIZE);
    if (long_argument) {
        memset(text, 'x', LONG_ARGUMENT_SIZE - 1);
        arguments.args[arguments.num_args].type = GRPC_ARG_STRING;
        arguments.args[arguments.num_args].key = strdup("pluck_client.long");
        arguments.args[arguments.num_args++].value.string = text;
    }

    grpc_channel *channel = open_channel(address, certificates, &arguments);

    // Only the creation may use what the program passed, so it is made unusable.
    memset(arguments.args[0].value.string, 'x', strlen(arguments.args[0].value.string));
    free(arguments.args[0].value.string);
    for (size_t i = 0; i < arguments.num_args; i++) {
        memset(arguments.args[i].key, 'x', strlen(arguments.args[i].key));
        free(arguments.args[i].key);
    }
    memset(arguments.args, 0xee, arguments.num_args * sizeof(grpc_arg));
    free(arguments.args);
    free(text);
    grpc_resource_quota_unref(quota);
    return channel;
}

static void open_program_channel(struct program *program) {
    // The target, too, is the program's own memory.
    char *target = strdup(program->address);
    program->client.channel =
        program->arguments
            ? open_channel_with_arguments(target, program->certificates, program->long_argument)
            : open_channel(target, program->certificates, NULL);
    memset(target, 'x', strlen(target));
    free(target);
    if (program->registered) {
        // These have to live as long as the channel.
        program->client.registered =
            grpc_channel_register_call(program->client.channel, METHOD_UNARY, NULL, NULL);
    }
}

// The arguments are in force if the server sees the user agent and a longer reply is refused.
static bool check_arguments(const char *who, const struct program *program) {
    if (!program->arguments) {
        return true;
    }
    char text[2 * MAXIMUM_RECEIVED];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    struct answer answer;
    call_unary(&program->client, text, &answer);
    printf("%s long_reply_status %d\n", who, (int)answer.status);
    bool passed = answer.status == GRPC_STATUS_RESOURCE_EXHAUSTED;
    call_unary(&program->client, "who", &answer);
    printf("%s user_agent %s\n", who, answer.user_agent);
    return passed && strncmp(answer.user_agent, USER_AGENT, strlen(USER_AGENT)) == 0;
}

static int child(void *argument) {
    struct program *program = argument;
    if (program->new_channel) {
        open_program_channel(program);
    }
    if (program->new_queue) {
        program->client.queue = grpc_completion_queue_create_for_pluck(NULL);
    }
    bool passed = report_child_unary("child", &program->client, &program->before);
    passed = report_child_unary("child", &program->client, &program->before) && passed;
    passed = check_arguments("child", program) && passed;
    return passed ? 0 : 1;
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"tls", required_argument, NULL, 't'},
        {"new-channel", no_argument, NULL, 'c'},
        {"new-queue", no_argument, NULL, 'q'},
        {"registered", no_argument, NULL, 'r'},
        {"arguments", no_argument, NULL, 'a'},
        {"long-argument", no_argument, NULL, 'l'},
        {NULL, 0, NULL, 0},
    };
    struct program program = {0};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 't':
            program.certificates = optarg;
            break;
        case 'c':
            program.new_channel = true;
            break;
        case 'q':
            program.new_queue = true;
            break;
        case 'r':
            program.registered = true;
            break;
        case 'a':
            program.arguments = true;
            break;
        case 'l':
            program.arguments = true;
            program.long_argument = true;
            break;
        default:
            return 2;
        }
    }
    if (optind >= argc) {
        fprintf(stderr, "usage: pluck_client ADDRESS [OPTIONS]\n");
        return 2;
    }
    program.address = argv[optind];

    setvbuf(stdout, NULL, _IOLBF, 0);
    grpc_init();
    program.client.queue = grpc_completion_queue_create_for_pluck(NULL);
    open_program_channel(&program);
    bool passed = report_unary("parent", &program.client, "from the parent", &program.before);
    passed = check_arguments("parent", &program) && passed;

    passed = run_in_child(child, &program) == 0 && passed;

    passed = report_parent_again(&program.client, &program.before) && passed;
    passed = check_arguments("parent", &program) && passed;
    grpc_channel_destroy(program.client.channel);
    grpc_completion_queue_shutdown(program.client.queue);
    grpc_completion_queue_destroy(program.client.queue);
    grpc_shutdown();
    return passed ? 0 : 1;
}
