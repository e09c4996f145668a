// Forks before, during and after the process's first use of gRPC.
//
// fork_phases ADDRESS PHASE...
//
//   before       a child that is the first to use gRPC; its parent has it loaded
//   during       children that end at once, while another thread makes the process's first call
//   during-used  the same, and each child calls
//   after        a child calls over the channel that its parent has called over

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

static const char *address;
static struct client client;
static struct answer before;

static bool open_client(struct client *opened, const char *who, struct answer *answer) {
    grpc_init();
    opened->channel = open_channel(address, NULL, NULL);
    opened->queue = grpc_completion_queue_create_for_pluck(NULL);
    return report_unary(who, opened, "from a new channel", answer);
}

static int call_anew(void *argument) {
    (void)argument;
    struct client own = {0};
    struct answer answer;
    return open_client(&own, "child", &answer) ? 0 : 1;
}

static int call_over_inherited(void *argument) {
    (void)argument;
    return report_child_unary("child", &client, &before) ? 0 : 1;
}

static int end_at_once(void *argument) {
    (void)argument;
    return 0;
}

static pthread_barrier_t begin;
static atomic_bool called;

static void *make_first_call(void *passed) {
    pthread_barrier_wait(&begin);
    *(bool *)passed = open_client(&client, "parent", &before);
    atomic_store(&called, true);
    return NULL;
}

// Standard output belongs to the other thread meanwhile, so run_in_child() is not used.
static int fork_for(int (*body)(void *)) {
    pid_t child = fork();
    if (child == -1) {
        fail("fork");
    }
    if (child == 0) {
        _exit(body(NULL));
    }
    return wait_for(child);
}

static bool fork_during(int (*body)(void *)) {
    pthread_t thread;
    bool passed = false;
    int forks = 0, failed = 0;
    pthread_barrier_init(&begin, NULL, 2);
    pthread_create(&thread, NULL, make_first_call, &passed);
    pthread_barrier_wait(&begin);
    do {
        failed += fork_for(body) != 0;
        forks++;
    } while (!atomic_load(&called));
    pthread_join(thread, NULL);
    printf("during forks %d failed %d\n", forks, failed);
    return passed && failed == 0;
}

static bool fork_after(void) {
    struct answer first;
    bool passed = client.channel != NULL || open_client(&client, "parent", &first);
    passed = passed && report_unary("parent", &client, "from the parent", &before);
    passed = run_in_child(call_over_inherited, NULL) == 0 && passed;
    return report_parent_again(&client, &before) && passed;
}

static bool run(const char *phase) {
    if (strcmp(phase, "before") == 0) {
        return run_in_child(call_anew, NULL) == 0;
    }
    if (strcmp(phase, "during") == 0) {
        return fork_during(end_at_once);
    }
    if (strcmp(phase, "during-used") == 0) {
        return fork_during(call_anew);
    }
    return strcmp(phase, "after") == 0 && fork_after();
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: fork_phases ADDRESS before|during|during-used|after...\n");
        return 2;
    }
    address = argv[1];
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 2; i < argc; i++) {
        bool passed = run(argv[i]);
        if (!report("parent", argv[i], passed)) {
            return 1;
        }
    }
    return 0;
}
