// A client whose calls complete on a callback queue: the tag of a batch is a function that gRPC
// calls.
//
// callback_queue ADDRESS
//
// A call is open at fork.  In the child it is called back as cancelled; new calls on the parent's
// queue and channel are called back as well.  In the parent the open call goes on.

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

#if !defined(HAVE_GRPC_COMPLETION_QUEUE_FUNCTOR)
typedef grpc_experimental_completion_queue_functor grpc_completion_queue_functor;
#endif

struct operation {
    grpc_completion_queue_functor functor;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool done;
    int success;
};

static grpc_completion_queue *callbacks;
static struct client poller;

static void run(grpc_completion_queue_functor *functor, int success) {
    struct operation *operation = (struct operation *)functor;
    pthread_mutex_lock(&operation->mutex);
    operation->done = true;
    operation->success = success;
    pthread_cond_signal(&operation->changed);
    pthread_mutex_unlock(&operation->mutex);
}

static void prepare(struct operation *operation) {
    memset(operation, 0, sizeof(*operation));
    operation->functor.functor_run = run;
    pthread_mutex_init(&operation->mutex, NULL);
    pthread_cond_init(&operation->changed, NULL);
}

static bool is_done(struct operation *operation) {
    pthread_mutex_lock(&operation->mutex);
    bool done = operation->done;
    pthread_mutex_unlock(&operation->mutex);
    return done;
}

// Versions without an event engine leave the polling to other calls of the process.
static int await(struct operation *operation) {
    struct answer answer;
    while (!is_done(operation) && call_unary(&poller, "poll", &answer)) {
    }
    pthread_mutex_lock(&operation->mutex);
    while (!operation->done) {
        pthread_cond_wait(&operation->changed, &operation->mutex);
    }
    pthread_mutex_unlock(&operation->mutex);
    return operation->success;
}

static bool call_back(const char *who, const char *text, struct reply *reply) {
    struct call call;
    struct operation operation;
    struct request request = {.text = text};
    prepare(&operation);
    open_call(&call, poller.channel, callbacks, METHOD_UNARY);
    bool started = start_unary(&call, &request, &operation) == GRPC_CALL_OK;
    bool worked = started && await(&operation) && call.status == GRPC_STATUS_OK &&
                  take_reply(&call, reply) && strcmp(reply->text, text) == 0;
    close_call(&call);
    return report(who, "callback", worked);
}

struct parent {
    struct reply reply;
    struct call *open;
    struct operation *status;
};

static int work(void *context) {
    const struct parent *parent = context;
    struct reply reply = {0};
    bool worked = call_back("child", "of the child", &reply);
    bool own = worked && strcmp(reply.peer, parent->reply.peer) != 0;
    report("child", "own-connection", own);
    await(parent->status);
    char details[DETAILS_SIZE];
    copy_details(parent->open, details, sizeof(details));
    printf("child open status %d %s\n", (int)parent->open->status, details);
    fflush(stdout);
    return own && parent->open->status == GRPC_STATUS_CANCELLED ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s ADDRESS\n", argv[0]);
        return 2;
    }
    grpc_init();
    struct operation shut_down;
    prepare(&shut_down);
    callbacks = grpc_completion_queue_create_for_callback(&shut_down.functor, NULL);
    poller.queue = grpc_completion_queue_create_for_pluck(NULL);
    poller.channel = open_channel(argv[1], NULL, NULL);
    struct reply reply = {0};
    bool worked = call_back("parent", "before", &reply);

    // A stream whose status is awaited while the program forks.
    struct call open;
    struct operation status, sent, headers, message, closed;
    struct request request = {.text = "open"};
    prepare(&status);
    prepare(&sent);
    prepare(&headers);
    prepare(&message);
    prepare(&closed);
    open_call(&open, poller.channel, callbacks, METHOD_BIDI_STREAM);
    start_status(&open, &status);
    start_sending(&open, &request, false, &sent);
    await(&sent);

    struct parent parent = {reply, &open, &status};
    worked &= run_in_child(work, &parent) == 0;

    start_receiving(&open, &headers);
    start_reading(&open, &message);
    struct reply streamed = {0};
    bool went_on = await(&message) && take_reply(&open, &streamed);
    start_half_close(&open, &closed);
    await(&closed);
    await(&status);
    worked &= report("parent", "open", went_on && open.status == GRPC_STATUS_OK);
    close_call(&open);
    struct reply after = {0};
    worked &= call_back("parent after", "after", &after) && strcmp(after.peer, reply.peer) == 0;

    grpc_completion_queue_shutdown(callbacks);
    await(&shut_down);
    grpc_completion_queue_destroy(callbacks);
    grpc_channel_destroy(poller.channel);
    grpc_completion_queue_shutdown(poller.queue);
    grpc_completion_queue_destroy(poller.queue);
    grpc_shutdown();
    return worked ? 0 : 1;
}
