// Children with two threads: one makes the first call, while the other gives back what it
// inherited.
//
// giving_back ADDRESS CHILDREN [CALLS]
//
// CALLS is how many are given back; few of them have anything pending. With 2000, in the program
// that is built with STOPPED, a table of the shim's becomes a smaller one meanwhile. The thread
// that does it is stopped there, until the other one waits for it in the middle of its first call.

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "asleep.h"
#include "client.h"

#define CALLS_MAXIMUM 10000
#define CALLS_PENDING 64
#define CHANNELS 16
#define INITIALISATIONS 4
#define SHUT_DOWN_MILLISECONDS 2000

static struct client client;
static struct answer before;
static grpc_channel *channels[CHANNELS];
static int call_count = CALLS_PENDING;
static struct call calls[CALLS_MAXIMUM];
static grpc_completion_queue *queue_of_calls;
static grpc_completion_queue *idle_queue;
static atomic_int threads_ready;

static void become_ready(void) {
    atomic_fetch_add(&threads_ready, 1);
}

// Neither waits for the other asleep.
static void await_both_ready(void) {
    while (atomic_load(&threads_ready) < 2) {
        sched_yield();
    }
}

// --- the thread that gives back ----------------------------------------------------------------

static _Thread_local bool is_to_be_stopped;

// A sanitizer has an allocator of its own.
#ifdef STOPPED

// What else the first call sleeps for does not take it as long.
#define LOOKS 200

static void await_first_call_asleep(void) {
    char main_thread[16];
    snprintf(main_thread, sizeof(main_thread), "%d", (int)getpid());
    for (int looks = 0; looks < LOOKS;) {
        looks = is_asleep(main_thread) ? looks + 1 : 0;
        sched_yield();
    }
}

void *__libc_calloc(size_t count, size_t size);

// The shim makes its tables by this.
void *calloc(size_t count, size_t size) {
    if (is_to_be_stopped) {
        is_to_be_stopped = false;
        become_ready();
        await_first_call_asleep();
    }
    return __libc_calloc(count, size);
}

#endif

static void *give_back(void *unused) {
    is_to_be_stopped = call_count > CALLS_PENDING;
    if (!is_to_be_stopped) {
        become_ready();
        await_both_ready();
    }
    for (int i = 0; i < call_count; i++) {
        grpc_call_unref(calls[i].call);
    }
    if (is_to_be_stopped) {
        printf("child was never stopped\n");
        become_ready();
    }
    for (int i = 0; i < CHANNELS; i++) {
        grpc_channel_destroy(channels[i]);
    }
    for (int i = 0; i < INITIALISATIONS; i++) {
        grpc_shutdown();
    }
    grpc_completion_queue_shutdown(idle_queue);
    grpc_completion_queue_destroy(idle_queue);
    return unused;
}

// --- the thread that calls ---------------------------------------------------------------------

// What was pending comes back once.
static int drain(void) {
    int tags = 0;
    grpc_completion_queue_shutdown(queue_of_calls);
    for (;;) {
        grpc_event event =
            grpc_completion_queue_next(queue_of_calls, deadline_in(1000 * CALL_SECONDS), NULL);
        if (event.type != GRPC_OP_COMPLETE) {
            return event.type == GRPC_QUEUE_SHUTDOWN ? tags : -1;
        }
        tags++;
    }
}

// gRPC's own objects count, too, and it lets go of some a while after they were destroyed.
static bool becomes_uninitialized(void) {
    for (int i = 0; i < SHUT_DOWN_MILLISECONDS && grpc_is_initialized(); i++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return !grpc_is_initialized();
}

static int work_in_child(void) {
    pthread_t thread;
    struct answer answer;
    if (pthread_create(&thread, NULL, give_back, NULL) != 0) {
        fail("pthread_create");
    }
    become_ready();
    await_both_ready();
    bool called = call_unary(&client, "from the child", &answer) &&
                  strcmp(answer.reply.peer, before.reply.peer) != 0;
    pthread_join(thread, NULL);
    int tags = drain();
    grpc_completion_queue_destroy(queue_of_calls);
    grpc_channel_destroy(client.channel);
    grpc_completion_queue_shutdown(client.queue);
    grpc_completion_queue_destroy(client.queue);
    bool initialised = grpc_is_initialized() != 0;
    grpc_shutdown_blocking();
    bool shut_down = becomes_uninitialized();
    if (!called || tags != CALLS_PENDING || !initialised || !shut_down) {
        printf("child called %d tags %d initialised %d shut_down %d\n", called, tags, initialised,
               shut_down);
        fflush(stdout);
        return 1;
    }
    return 0;
}

static void open_all(const char *address) {
    for (int i = 0; i < INITIALISATIONS + 1; i++) {
        grpc_init();
    }
    client.channel = open_channel(address, NULL, NULL);
    client.queue = grpc_completion_queue_create_for_pluck(NULL);
    queue_of_calls = grpc_completion_queue_create_for_next(NULL);
    idle_queue = grpc_completion_queue_create_for_next(NULL);
    for (int i = 0; i < CHANNELS; i++) {
        channels[i] = open_channel(address, NULL, NULL);
    }
    for (int i = 0; i < call_count; i++) {
        open_call(&calls[i], client.channel, queue_of_calls, METHOD_BIDI_STREAM);
        if (i < CALLS_PENDING && start_status(&calls[i], &calls[i]) != GRPC_CALL_OK) {
            fail("start_status");
        }
    }
}

int main(int argc, char **argv) {
    if (argc == 4) {
        call_count = atoi(argv[3]);
    }
    if (argc < 3 || argc > 4 || call_count < CALLS_PENDING || call_count > CALLS_MAXIMUM) {
        fprintf(stderr, "usage: giving_back ADDRESS CHILDREN [CALLS]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    open_all(argv[1]);
    if (!report_unary("parent", &client, "from the parent", &before)) {
        return 1;
    }
    int count = atoi(argv[2]), failed = 0;
    for (int i = 0; i < count; i++) {
        fflush(NULL);
        pid_t child = fork();
        if (child == -1) {
            fail("fork");
        }
        if (child == 0) {
            _exit(work_in_child());
        }
        failed += wait_for(child) != 0 ? 1 : 0;
    }
    printf("children %d failed %d\n", count, failed);
    return report_parent_again(&client, &before) && failed == 0 ? 0 : 1;
}
