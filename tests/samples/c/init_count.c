// How often grpc_shutdown() has to be called in a child, and a fork at other moments of gRPC's
// life.
//
// init_count ADDRESS SUBJECT, where SUBJECT is one of
//   nested          three grpc_init(), then the child shuts down as often, and starts again
//   before-init     the fork comes before the first grpc_init()
//   after-shutdown  the fork comes after the last grpc_shutdown()
//   shutdown-only   the child closes what it inherited, shuts down and exits
//   child-init      the child, too, calls grpc_init() once, as a library in it would

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

#define STILL_INITIALIZED_MILLISECONDS 50
#define SHUT_DOWN_MILLISECONDS 30000

struct program {
    const char *address;
    struct client client;
    struct answer before;
    int inits;
};

static void open_client(struct program *program) {
    program->client.channel = open_channel(program->address, NULL, NULL);
    program->client.queue = grpc_completion_queue_create_for_pluck(NULL);
}

static void close_client(struct program *program) {
    grpc_channel_destroy(program->client.channel);
    grpc_completion_queue_shutdown(program->client.queue);
    grpc_completion_queue_destroy(program->client.queue);
}

static void init(struct program *program) {
    grpc_init();
    program->inits++;
}

static void sleep_milliseconds(long milliseconds) {
    struct timespec duration = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&duration, NULL);
}

// gRPC's own objects count, too, and some versions let go of a channel some time after it was
// destroyed.
static bool becomes_uninitialized(long milliseconds) {
    for (; grpc_is_initialized() && milliseconds > 0; milliseconds--) {
        sleep_milliseconds(1);
    }
    return !grpc_is_initialized();
}

// As many grpc_shutdown() as there were grpc_init(), and not one less, shut gRPC down.
static bool shut_down(const char *who, struct program *program) {
    bool passed = true;
    int shutdowns = 0;
    while (shutdowns < program->inits) {
        if (becomes_uninitialized(STILL_INITIALIZED_MILLISECONDS)) {
            passed = false;
            break;
        }
        grpc_shutdown();
        shutdowns++;
    }
    printf("%s shutdowns %d\n", who, shutdowns);
    program->inits = 0;
    return report(who, "shut_down", passed && becomes_uninitialized(SHUT_DOWN_MILLISECONDS));
}

static bool start_again(struct program *program) {
    init(program);
    bool passed = report("child", "initialized_again", grpc_is_initialized() == 1);
    open_client(program);
    struct answer answer;
    passed = report_unary("child", &program->client, "again", &answer) && passed;
    close_client(program);
    return shut_down("child", program) && passed;
}

static int child_nested(void *argument) {
    struct program *program = argument;
    bool passed = report_child_unary("child", &program->client, &program->before);
    close_client(program);
    passed = shut_down("child", program) && passed;
    return start_again(program) && passed ? 0 : 1;
}

static bool run_nested(struct program *program) {
    init(program);
    init(program);
    init(program);
    open_client(program);
    bool passed = report_unary("parent", &program->client, "before", &program->before);
    passed = run_in_child(child_nested, program) == 0 && passed;
    passed = report_parent_again(&program->client, &program->before) && passed;
    close_client(program);
    return shut_down("parent", program) && passed;
}

static int child_init(void *argument) {
    struct program *program = argument;
    init(program);
    bool passed = report_child_unary("child", &program->client, &program->before);
    close_client(program);
    passed = shut_down("child", program) && passed;
    return start_again(program) && passed ? 0 : 1;
}

static bool run_child_init(struct program *program) {
    init(program);
    init(program);
    open_client(program);
    bool passed = report_unary("parent", &program->client, "before", &program->before);
    passed = run_in_child(child_init, program) == 0 && passed;
    passed = report_parent_again(&program->client, &program->before) && passed;
    close_client(program);
    return shut_down("parent", program) && passed;
}

static int child_without_init(void *argument) {
    struct program *program = argument;
    bool passed = report("child", "not_initialized", grpc_is_initialized() == 0);
    return start_again(program) && passed ? 0 : 1;
}

static bool run_before_init(struct program *program) {
    bool passed = run_in_child(child_without_init, program) == 0;
    return start_again(program) && passed;
}

static bool run_after_shutdown(struct program *program) {
    init(program);
    init(program);
    open_client(program);
    bool passed = report_unary("parent", &program->client, "before", &program->before);
    close_client(program);
    passed = shut_down("parent", program) && passed;
    passed = run_in_child(child_without_init, program) == 0 && passed;
    return start_again(program) && passed;
}

static int child_shutdown_only(void *argument) {
    struct program *program = argument;
    close_client(program);
    bool passed = shut_down("child", program);
    fflush(NULL);
    exit(passed ? 0 : 1);
}

static bool run_shutdown_only(struct program *program) {
    init(program);
    init(program);
    open_client(program);
    bool passed = report_unary("parent", &program->client, "before", &program->before);
    passed = run_in_child(child_shutdown_only, program) == 0 && passed;
    passed = report_parent_again(&program->client, &program->before) && passed;
    close_client(program);
    return shut_down("parent", program) && passed;
}

static const struct {
    const char *name;
    bool (*run)(struct program *);
} subjects[] = {
    {"nested", run_nested},
    {"before-init", run_before_init},
    {"after-shutdown", run_after_shutdown},
    {"shutdown-only", run_shutdown_only},
    {"child-init", run_child_init},
};

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: init_count ADDRESS SUBJECT\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    static struct program program;
    program.address = argv[1];
    for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
        if (strcmp(argv[2], subjects[i].name) == 0) {
            return subjects[i].run(&program) ? 0 : 1;
        }
    }
    fprintf(stderr, "init_count: no subject %s\n", argv[2]);
    return 2;
}
