// Channels that can't be connected anew: a lame one, and one made from a connected socket.
//
// lame ADDRESS lame|descriptor

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <grpc/grpc_posix.h>

#include "client.h"

#define LAME_MESSAGE "out of service since Monday"
// Less than the call's deadline.
#define AT_ONCE_SECONDS 15

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct failure {
    grpc_status_code status;
    char details[DETAILS_SIZE];
};

// The call has to fail without waiting.
static bool report_failure(const char *who, const struct client *client, struct failure *failure) {
    struct answer answer;
    double start = seconds();
    call_unary(client, "unavailable", &answer);
    bool at_once = seconds() - start < AT_ONCE_SECONDS;
    failure->status = answer.status;
    snprintf(failure->details, sizeof(failure->details), "%s", answer.details);
    printf("%s failure_status %d\n", who, (int)answer.status);
    printf("%s failure_details %s\n", who, answer.details);
    return report(who, "at_once", at_once) && answer.status != GRPC_STATUS_OK;
}

struct program {
    struct client client;
    // What a call on a lame channel gives: some versions replace what the program has asked for.
    struct failure lame_failure;
    bool lame;
    struct client connected;
    struct answer before;
};

static bool check_reason(const char *who, const struct program *program) {
    struct failure failure;
    bool passed = report_failure(who, &program->client, &failure);
    const struct failure *lame = &program->lame_failure;
    bool replaced = strcmp(lame->details, LAME_MESSAGE) != 0;
    bool expected =
        program->lame || replaced
            ? failure.status == lame->status && strcmp(failure.details, lame->details) == 0
            : failure.status == GRPC_STATUS_UNAVAILABLE && strstr(failure.details, "fork") != NULL;
    return report(who, "reason", expected) && passed;
}

static int child(void *argument) {
    struct program *program = argument;
    bool passed = check_reason("child", program);
    passed = check_reason("child", program) && passed;
    // The queue is none the worse for it.
    return report_child_unary("child", &program->connected, &program->before) && passed ? 0 : 1;
}

static grpc_channel *open_lame(void) {
    return grpc_lame_client_channel_create("nowhere:1", GRPC_STATUS_UNAVAILABLE, LAME_MESSAGE);
}

static bool run_lame(struct program *program) {
    program->client.channel = open_lame();
    program->lame = true;
    bool passed = report_failure("parent", &program->client, &program->lame_failure);
    passed = run_in_child(child, program) == 0 && passed;
    return check_reason("parent", program) && passed;
}

static int connect_to(const char *address) {
    char host[256];
    snprintf(host, sizeof(host), "%s", address);
    char *port = strrchr(host, ':');
    if (port == NULL) {
        return -1;
    }
    *port++ = '\0';
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, port, &hints, &found) != 0) {
        return -1;
    }
    int descriptor = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0 || connect(descriptor, found->ai_addr, found->ai_addrlen) != 0) {
        fail(address);
    }
    freeaddrinfo(found);
    fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK);
    return descriptor;
}

static grpc_channel *open_from_descriptor(const char *address) {
    int descriptor = connect_to(address);
#if defined(HAVE_GRPC_CHANNEL_CREATE_FROM_FD)
    grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
    grpc_channel *channel = grpc_channel_create_from_fd(address, descriptor, credentials, NULL);
    grpc_channel_credentials_release(credentials);
    return channel;
#elif defined(HAVE_GRPC_INSECURE_CHANNEL_CREATE_FROM_FD)
    return grpc_insecure_channel_create_from_fd(address, descriptor, NULL);
#else
#error "this gRPC has no channel from a descriptor"
#endif
}

static bool run_descriptor(struct program *program, const char *address) {
    program->client.channel = open_lame();
    bool passed = report_failure("parent", &program->client, &program->lame_failure);
    printf("parent lame_details %s\n", program->lame_failure.details);
    grpc_channel_destroy(program->client.channel);

    program->client.channel = open_from_descriptor(address);
    struct answer before;
    passed = report_unary("parent", &program->client, "descriptor", &before) && passed;
    passed = run_in_child(child, program) == 0 && passed;
    return report_parent_again(&program->client, &before) && passed;
}

int main(int argc, char **argv) {
    if (argc != 3 || (strcmp(argv[2], "lame") != 0 && strcmp(argv[2], "descriptor") != 0)) {
        fprintf(stderr, "usage: lame ADDRESS lame|descriptor\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    grpc_init();
    static struct program program;
    program.client.queue = grpc_completion_queue_create_for_pluck(NULL);
    program.connected.channel = open_channel(argv[1], NULL, NULL);
    program.connected.queue = program.client.queue;
    bool passed = report_unary("parent", &program.connected, "connected", &program.before);
    passed =
        (strcmp(argv[2], "lame") == 0 ? run_lame(&program) : run_descriptor(&program, argv[1])) &&
        passed;
    passed = report_parent_again(&program.connected, &program.before) && passed;
    grpc_channel_destroy(program.client.channel);
    grpc_channel_destroy(program.connected.channel);
    grpc_completion_queue_shutdown(program.client.queue);
    grpc_completion_queue_destroy(program.client.queue);
    grpc_shutdown();
    return passed ? 0 : 1;
}
