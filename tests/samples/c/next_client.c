// Calls that are open at the moment of a fork, on a queue for grpc_completion_queue_next().
//
// next_client ADDRESS SUBJECT, where SUBJECT is one of
//   pending    two streams with several tags pending, one of them shared by both
//   same-tag   several calls whose batches all have one and the same tag
//   call-tag   a call whose batches all have the call's own address as their tag
//   shutdown   a queue that was shut down before the fork, with tags pending and without
//   completed  a tag that the core has completed and nobody has taken yet
//   inherited  operations that the child starts on calls it inherited
//   blocked    a thread of the child waits in next for such an operation
//   stream     a server stream that both processes read on

#include <ctype.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <grpc/support/alloc.h>
#include <grpc/support/time.h>

#include "client.h"

// A wait that has to end at once gets this long; a hang is what it tells apart.
#define AT_ONCE_MILLISECONDS 15000
#define NOTHING_MILLISECONDS 50

static const char *address;

static void *tag_of(intptr_t number) {
    return (void *)number; // NOLINT(performance-no-int-to-ptr)
}

static grpc_event next_within(grpc_completion_queue *queue, int milliseconds) {
    return grpc_completion_queue_next(queue, deadline_in(milliseconds), NULL);
}

static bool take_successful(const char *who, grpc_completion_queue *queue, void *tag) {
    grpc_event event = next_within(queue, CALL_SECONDS * 1000);
    if (event.type == GRPC_OP_COMPLETE && event.tag == tag && event.success) {
        return true;
    }
    printf("%s expected tag %zd: event %d tag %zd success %d\n", who, (ssize_t)tag, (int)event.type,
           (ssize_t)event.tag, event.success);
    return false;
}

// The queue has nothing to give, neither to a deadline that is over nor to one that is near.
static bool check_empty(const char *who, grpc_completion_queue *queue) {
    grpc_event expired = grpc_completion_queue_next(queue, gpr_inf_past(GPR_CLOCK_REALTIME), NULL);
    grpc_event near = next_within(queue, NOTHING_MILLISECONDS);
    return report(who, "timeout",
                  expired.type == GRPC_QUEUE_TIMEOUT && near.type == GRPC_QUEUE_TIMEOUT);
}

static bool check_shutdown(const char *who, grpc_completion_queue *queue) {
    grpc_completion_queue_shutdown(queue);
    grpc_event event = next_within(queue, AT_ONCE_MILLISECONDS);
    grpc_event again = next_within(queue, AT_ONCE_MILLISECONDS);
    bool passed = event.type == GRPC_QUEUE_SHUTDOWN && again.type == GRPC_QUEUE_SHUTDOWN;
    grpc_completion_queue_destroy(queue);
    return report(who, "shutdown", passed);
}

// The status of a call that was open at the fork.
static bool check_cancelled(const struct call *call) {
    char details[DETAILS_SIZE];
    copy_details(call, details, sizeof(details));
    printf("child inherited_status %d\n", (int)call->status);
    printf("child inherited_details %s\n", details);
    return call->status == GRPC_STATUS_CANCELLED && strstr(details, "fork") != NULL;
}

enum { TAG_SEND = 1, TAG_METADATA, TAG_READ, TAG_STATUS, TAG_COUNT };

static intptr_t tag_number(int stream, int tag) {
    return stream * TAG_COUNT + tag;
}

// GRPC_OP_RECV_STATUS_ON_CLIENT "always succeeds" (grpc_types.h): what has failed is in the status.
static bool expect_success(intptr_t tag) {
    return tag % TAG_COUNT == TAG_STATUS;
}

// Takes `count` completions of operations that have failed, and counts how often each tag comes.
static bool take_failed(grpc_completion_queue *queue, int count, int *seen, int tags) {
    memset(seen, 0, (size_t)tags * sizeof(*seen));
    bool passed = true;
    for (int i = 0; i < count; i++) {
        grpc_event event = next_within(queue, AT_ONCE_MILLISECONDS);
        intptr_t tag = (intptr_t)event.tag;
        if (event.type != GRPC_OP_COMPLETE || tag < 0 || tag >= tags) {
            printf("child unexpected event %d tag %zd\n", (int)event.type, (ssize_t)tag);
            return false;
        }
        if ((event.success != 0) != expect_success(tag)) {
            printf("child unexpected success %d tag %zd\n", event.success, (ssize_t)tag);
            passed = false;
        }
        seen[tag]++;
    }
    return passed;
}

// A bidirectional stream which has seen one message and now waits for another.
struct conversation {
    struct call call;
    int next;
};

static bool check_reply(struct call *call, const char *who, int sequence, struct reply *reply) {
    if (!take_reply(call, reply) || reply->sequence != sequence) {
        printf("%s stream lost message %d\n", who, sequence);
        return false;
    }
    printf("%s message %d\n", who, sequence);
    return true;
}

static bool open_conversation(struct conversation *conversation, const struct client *client,
                              int stream) {
    struct call *call = &conversation->call;
    open_call(call, client->channel, client->queue, METHOD_BIDI_STREAM);
    struct request request = {.text = "conversation"};
    start_sending(call, &request, false, tag_of(tag_number(stream, TAG_SEND)));
    bool passed = take_successful("parent", client->queue, tag_of(tag_number(stream, TAG_SEND)));
    start_receiving(call, tag_of(tag_number(stream, TAG_METADATA)));
    passed = take_successful("parent", client->queue, tag_of(tag_number(stream, TAG_METADATA))) &&
             passed;
    start_reading(call, tag_of(tag_number(stream, TAG_READ)));
    passed =
        take_successful("parent", client->queue, tag_of(tag_number(stream, TAG_READ))) && passed;
    struct reply reply;
    passed = check_reply(call, "parent", 0, &reply) && passed;
    conversation->next = 1;
    // Neither can complete before the program sends again.
    start_reading(call, tag_of(tag_number(stream, TAG_READ)));
    start_status(call, tag_of(tag_number(stream, TAG_STATUS)));
    return passed;
}

// The parent goes on where it was: one more message each way, then the end.
static bool finish_conversation(struct conversation *conversation, const struct client *client,
                                int stream) {
    struct call *call = &conversation->call;
    struct request request = {.text = "more"};
    start_message(call, &request, tag_of(tag_number(stream, TAG_SEND)));
    int taken[TAG_COUNT] = {0};
    for (int i = 0; i < 2; i++) {
        grpc_event event = next_within(client->queue, CALL_SECONDS * 1000);
        intptr_t tag = (intptr_t)event.tag - tag_number(stream, 0);
        if (event.type != GRPC_OP_COMPLETE || !event.success || tag <= 0 || tag >= TAG_COUNT) {
            printf("parent finish event %d tag %zd success %d\n", (int)event.type,
                   (ssize_t)event.tag, event.success);
            return false;
        }
        taken[tag]++;
    }
    struct reply reply;
    bool passed = taken[TAG_SEND] == 1 && taken[TAG_READ] == 1 &&
                  check_reply(call, "parent", conversation->next, &reply);
    start_half_close(call, tag_of(tag_number(stream, TAG_SEND)));
    for (int i = 0; i < 2; i++) {
        grpc_event event = next_within(client->queue, CALL_SECONDS * 1000);
        passed = event.type == GRPC_OP_COMPLETE && event.success && passed;
    }
    printf("parent stream_status %d\n", (int)call->status);
    passed = call->status == GRPC_STATUS_OK && passed;
    close_call(call);
    return passed;
}

struct program {
    struct client client;
    struct conversation conversations[2];
    struct call call;
    struct answer before;
};

static int child_pending(void *argument) {
    struct program *program = argument;
    grpc_completion_queue *queue = program->client.queue;
    int seen[2 * TAG_COUNT];
    bool passed = take_failed(queue, 4, seen, 2 * TAG_COUNT);
    for (int stream = 0; stream < 2; stream++) {
        passed = seen[tag_number(stream, TAG_READ)] == 1 &&
                 seen[tag_number(stream, TAG_STATUS)] == 1 && passed;
    }
    passed = report("child", "pending_tags", passed);
    for (int stream = 0; stream < 2; stream++) {
        struct conversation *conversation = &program->conversations[stream];
        passed = check_cancelled(&conversation->call) && passed;
        passed = report("child", "no_message", conversation->call.received == NULL) && passed;
        close_call(&conversation->call);
    }
    passed = check_empty("child", queue) && passed;
    passed = report_child_unary("child", &program->client, &program->before) && passed;
    // New streams work on it as the old ones did.
    passed = open_conversation(&program->conversations[0], &program->client, 0) &&
             finish_conversation(&program->conversations[0], &program->client, 0) && passed;
    passed = check_empty("child", queue) && passed;
    return check_shutdown("child", queue) && passed ? 0 : 1;
}

static bool run_pending(struct program *program) {
    bool passed = open_conversation(&program->conversations[0], &program->client, 0);
    passed = open_conversation(&program->conversations[1], &program->client, 1) && passed;
    passed = run_in_child(child_pending, program) == 0 && passed;
    passed = finish_conversation(&program->conversations[0], &program->client, 0) && passed;
    return finish_conversation(&program->conversations[1], &program->client, 1) && passed;
}

#define SAME_TAG_CALLS 5
#define SAME_TAG TAG_STATUS

static struct call same_tag_calls[SAME_TAG_CALLS];

static int child_same_tag(void *argument) {
    struct program *program = argument;
    int seen[SAME_TAG + 1];
    bool passed = take_failed(program->client.queue, SAME_TAG_CALLS, seen, SAME_TAG + 1) &&
                  seen[SAME_TAG] == SAME_TAG_CALLS;
    passed = report("child", "pending_tags", passed);
    passed = check_empty("child", program->client.queue) && passed;
    for (int i = 0; i < SAME_TAG_CALLS; i++) {
        passed = check_cancelled(&same_tag_calls[i]) && passed;
        close_call(&same_tag_calls[i]);
    }
    passed = report_child_unary("child", &program->client, &program->before) && passed;
    return check_shutdown("child", program->client.queue) && passed ? 0 : 1;
}

static bool run_same_tag(struct program *program) {
    for (int i = 0; i < SAME_TAG_CALLS; i++) {
        open_call(&same_tag_calls[i], program->client.channel, program->client.queue, METHOD_UNARY);
        // The server answers after the fork.
        struct request request = {.text = "same tag", .delay_milliseconds = 1000};
        start_unary(&same_tag_calls[i], &request, tag_of(SAME_TAG));
    }
    bool passed = run_in_child(child_same_tag, program) == 0;
    for (int i = 0; i < SAME_TAG_CALLS; i++) {
        passed = take_successful("parent", program->client.queue, tag_of(SAME_TAG)) && passed;
    }
    for (int i = 0; i < SAME_TAG_CALLS; i++) {
        struct reply reply;
        passed = same_tag_calls[i].status == GRPC_STATUS_OK &&
                 check_reply(&same_tag_calls[i], "parent", 0, &reply) && passed;
        close_call(&same_tag_calls[i]);
    }
    return passed;
}

static int child_call_tag(void *argument) {
    struct program *program = argument;
    struct call *call = &program->call;
    int succeeded = 0;
    int failed = 0;
    for (int i = 0; i < 2; i++) {
        grpc_event event = next_within(program->client.queue, AT_ONCE_MILLISECONDS);
        if (event.type == GRPC_OP_COMPLETE && event.tag == call) {
            succeeded += event.success ? 1 : 0;
            failed += event.success ? 0 : 1;
        }
    }
    // The status' batch and the read, in either order.
    bool passed = report("child", "pending_tags", succeeded == 1 && failed == 1);
    passed = check_cancelled(call) && passed;
    passed = check_empty("child", program->client.queue) && passed;
    close_call(call);
    passed = report_child_unary("child", &program->client, &program->before) && passed;
    return check_shutdown("child", program->client.queue) && passed ? 0 : 1;
}

static bool run_call_tag(struct program *program) {
    struct call *call = &program->call;
    grpc_completion_queue *queue = program->client.queue;
    open_call(call, program->client.channel, queue, METHOD_BIDI_STREAM);
    struct request request = {.text = "call tag"};
    start_sending(call, &request, false, call);
    bool passed = take_successful("parent", queue, call);
    start_receiving(call, call);
    passed = take_successful("parent", queue, call) && passed;
    start_reading(call, call);
    passed = take_successful("parent", queue, call) && passed;
    struct reply reply;
    passed = check_reply(call, "parent", 0, &reply) && passed;
    start_reading(call, call);
    start_status(call, call);

    passed = run_in_child(child_call_tag, program) == 0 && passed;

    start_message(call, &request, call);
    // The message that is sent and the one that is read.
    passed = take_successful("parent", queue, call) && passed;
    passed = take_successful("parent", queue, call) && passed;
    passed = check_reply(call, "parent", 1, &reply) && passed;
    start_half_close(call, call);
    passed = take_successful("parent", queue, call) && passed;
    passed = take_successful("parent", queue, call) && passed;
    passed = report("parent", "stream_end", call->status == GRPC_STATUS_OK) && passed;
    close_call(call);
    return passed;
}

static grpc_completion_queue *empty_queue;

static int child_shutdown(void *argument) {
    struct program *program = argument;
    struct conversation *conversation = &program->conversations[0];
    int seen[TAG_COUNT];
    bool passed = take_failed(program->client.queue, 2, seen, TAG_COUNT) && seen[TAG_READ] == 1 &&
                  seen[TAG_STATUS] == 1;
    passed = report("child", "pending_tags", passed);
    passed = check_cancelled(&conversation->call) && passed;
    close_call(&conversation->call);
    // Both have been shut down by the parent; to say so once more is allowed.
    passed = check_shutdown("child", program->client.queue) && passed;
    grpc_event event = next_within(empty_queue, AT_ONCE_MILLISECONDS);
    passed = report("child", "empty_shutdown", event.type == GRPC_QUEUE_SHUTDOWN) && passed;
    grpc_completion_queue_destroy(empty_queue);
    struct client client = {.channel = program->client.channel,
                            .queue = grpc_completion_queue_create_for_next(NULL),
                            .next = true};
    passed = report_child_unary("child", &client, &program->before) && passed;
    return check_shutdown("child", client.queue) && passed ? 0 : 1;
}

static bool run_shutdown(struct program *program) {
    struct conversation *conversation = &program->conversations[0];
    bool passed = open_conversation(conversation, &program->client, 0);
    grpc_completion_queue_shutdown(program->client.queue);
    empty_queue = grpc_completion_queue_create_for_next(NULL);
    grpc_completion_queue_shutdown(empty_queue);
    passed = run_in_child(child_shutdown, program) == 0 && passed;
    passed = check_shutdown("parent", empty_queue) && passed;
    // No batch can be started any more: the pending ones end with the call.
    grpc_call_cancel(conversation->call.call, NULL);
    for (int i = 0; i < 2; i++) {
        grpc_event event = next_within(program->client.queue, CALL_SECONDS * 1000);
        passed = event.type == GRPC_OP_COMPLETE && passed;
    }
    passed =
        report("parent", "cancelled", conversation->call.status == GRPC_STATUS_CANCELLED) && passed;
    close_call(&conversation->call);
    passed = check_shutdown("parent", program->client.queue) && passed;
    program->client.queue = grpc_completion_queue_create_for_next(NULL);
    return passed;
}

// Exactly once, and in the parent with what the server has answered.
static bool check_completed(const char *who, struct program *program, bool inherited) {
    grpc_event event = next_within(program->client.queue, AT_ONCE_MILLISECONDS);
    bool passed = event.type == GRPC_OP_COMPLETE && event.tag == &program->call && event.success;
    passed = report(who, "completed_tag", passed);
    struct reply reply;
    if (inherited && program->call.status != GRPC_STATUS_OK) {
        // A call that was inherited may be over for all that came of it, but then consistently.
        passed = check_cancelled(&program->call) && program->call.received == NULL && passed;
    } else {
        passed = program->call.status == GRPC_STATUS_OK &&
                 check_reply(&program->call, who, 0, &reply) && passed;
    }
    close_call(&program->call);
    return check_empty(who, program->client.queue) && passed;
}

static int child_completed(void *argument) {
    struct program *program = argument;
    bool passed = check_completed("child", program, true);
    passed = report_child_unary("child", &program->client, &program->before) && passed;
    return check_shutdown("child", program->client.queue) && passed ? 0 : 1;
}

static bool run_completed(struct program *program) {
    open_call(&program->call, program->client.channel, program->client.queue, METHOD_UNARY);
    struct request request = {.text = "completed"};
    start_unary(&program->call, &request, &program->call);
    // The connection is shared, so whoever waits on another queue also receives the reply for
    // this one.  That it is there is seen by what the core has written.
    struct client other = {.channel = program->client.channel,
                           .queue = grpc_completion_queue_create_for_next(NULL),
                           .next = true};
    struct answer answer;
    bool passed = true;
    while (passed && __atomic_load_n(&program->call.status, __ATOMIC_ACQUIRE) != GRPC_STATUS_OK) {
        passed = call_unary(&other, "other queue", &answer);
    }
    passed = call_unary(&other, "other queue", &answer) && passed;
    passed = run_in_child(child_completed, program) == 0 && passed;
    passed = check_completed("parent", program, false) && passed;
    return check_shutdown("parent", other.queue) && passed;
}

static int child_inherited(void *argument) {
    struct program *program = argument;
    grpc_completion_queue *queue = program->client.queue;
    struct call *call = &program->conversations[0].call;
    // The call's own first touch in the child is a new operation, not the queue.
    struct request request = {.text = "from the child"};
    grpc_call_error error = start_message(call, &request, tag_of(TAG_SEND));
    printf("child start_batch %s\n", grpc_call_error_to_string(error));
    bool passed = error == GRPC_CALL_OK;
    int seen[TAG_COUNT];
    passed = take_failed(queue, 3, seen, TAG_COUNT) && seen[TAG_SEND] == 1 && seen[TAG_READ] == 1 &&
             seen[TAG_STATUS] == 1 && passed;
    passed = report("child", "failed_at_once", passed);
    passed = check_cancelled(call) && passed;

    // A call that had nothing pending, on which everything is tried.
    struct call *idle = &program->call;
    passed = start_reading(idle, tag_of(TAG_READ)) == GRPC_CALL_OK && passed;
    passed = start_status(idle, tag_of(TAG_STATUS)) == GRPC_CALL_OK && passed;
    passed = start_half_close(idle, tag_of(TAG_SEND)) == GRPC_CALL_OK && passed;
    passed = take_failed(queue, 3, seen, TAG_COUNT) && seen[TAG_SEND] == 1 && seen[TAG_READ] == 1 &&
             seen[TAG_STATUS] == 1 && passed;
    passed = report("child", "idle_call_fails", passed);
    passed = check_cancelled(idle) && passed;
    passed =
        report("child", "cancel", grpc_call_cancel(idle->call, NULL) == GRPC_CALL_OK) && passed;
    grpc_call_cancel_with_status(call->call, GRPC_STATUS_ABORTED, "by the program", NULL);
    char *peer = grpc_call_get_peer(idle->call);
    passed = report("child", "peer", peer != NULL) && passed;
    gpr_free(peer);
    grpc_call_ref(idle->call);
    grpc_call_unref(idle->call);
    close_call(idle);
    close_call(call);
    passed = check_empty("child", queue) && passed;
    passed = report_child_unary("child", &program->client, &program->before) && passed;
    return check_shutdown("child", queue) && passed ? 0 : 1;
}

static bool run_inherited(struct program *program) {
    struct call *idle = &program->call;
    open_call(idle, program->client.channel, program->client.queue, METHOD_BIDI_STREAM);
    struct request request = {.text = "idle"};
    start_sending(idle, &request, false, tag_of(TAG_SEND));
    bool passed = take_successful("parent", program->client.queue, tag_of(TAG_SEND));
    start_receiving(idle, tag_of(TAG_METADATA));
    passed = take_successful("parent", program->client.queue, tag_of(TAG_METADATA)) && passed;
    passed = open_conversation(&program->conversations[0], &program->client, 0) && passed;

    passed = run_in_child(child_inherited, program) == 0 && passed;

    passed = finish_conversation(&program->conversations[0], &program->client, 0) && passed;
    start_reading(idle, tag_of(TAG_READ));
    passed = take_successful("parent", program->client.queue, tag_of(TAG_READ)) && passed;
    struct reply reply;
    passed = check_reply(idle, "parent", 0, &reply) && passed;
    grpc_call_cancel(idle->call, NULL);
    start_status(idle, tag_of(TAG_STATUS));
    passed = take_successful("parent", program->client.queue, tag_of(TAG_STATUS)) && passed;
    close_call(idle);
    return passed;
}

struct waiter {
    grpc_completion_queue *queue;
    _Atomic pid_t thread;
    grpc_event event;
};

static void *wait_in_next(void *argument) {
    struct waiter *waiter = argument;
    atomic_store(&waiter->thread, (pid_t)syscall(SYS_gettid));
    waiter->event =
        grpc_completion_queue_next(waiter->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
    return NULL;
}

// The kernel offers no event for "that thread sleeps now", so its state is looked at.
static void wait_until_asleep(const struct waiter *waiter) {
    pid_t thread;
    while ((thread = atomic_load(&waiter->thread)) == 0) {
        sched_yield();
    }
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)thread);
    for (int asleep = 0; asleep < 20;) {
        FILE *file = fopen(path, "re");
        char state = '?';
        if (file == NULL || fscanf(file, "%*d (%*[^)]) %c", &state) != 1) {
            fail(path);
        }
        fclose(file);
        // A short wait for a lock looks the same, hence more than one look.
        asleep = state == 'S' ? asleep + 1 : 0;
        usleep(1000);
    }
}

static int child_blocked(void *argument) {
    struct program *program = argument;
    struct call *call = &program->call;
    struct waiter waiter = {.queue = program->client.queue};
    pthread_t thread;
    if (pthread_create(&thread, NULL, wait_in_next, &waiter) != 0) {
        fail("pthread_create");
    }
    wait_until_asleep(&waiter);
    printf("child thread blocked\n");
    bool passed = start_reading(call, tag_of(TAG_READ)) == GRPC_CALL_OK;
    pthread_join(thread, NULL);
    passed = waiter.event.type == GRPC_OP_COMPLETE && waiter.event.tag == tag_of(TAG_READ) &&
             !waiter.event.success && passed;
    passed = report("child", "woken", passed);
    close_call(call);
    passed = report_child_unary("child", &program->client, &program->before) && passed;
    return check_shutdown("child", program->client.queue) && passed ? 0 : 1;
}

static bool run_blocked(struct program *program) {
    struct call *call = &program->call;
    open_call(call, program->client.channel, program->client.queue, METHOD_BIDI_STREAM);
    struct request request = {.text = "blocked"};
    start_sending(call, &request, false, tag_of(TAG_SEND));
    bool passed = take_successful("parent", program->client.queue, tag_of(TAG_SEND));
    start_receiving(call, tag_of(TAG_METADATA));
    passed = take_successful("parent", program->client.queue, tag_of(TAG_METADATA)) && passed;
    passed = run_in_child(child_blocked, program) == 0 && passed;
    start_reading(call, tag_of(TAG_READ));
    passed = take_successful("parent", program->client.queue, tag_of(TAG_READ)) && passed;
    struct reply reply;
    passed = check_reply(call, "parent", 0, &reply) && passed;
    grpc_call_cancel(call->call, NULL);
    close_call(call);
    return passed;
}

#define STREAM_LENGTH 6
#define STREAM_DELAY_MILLISECONDS 200

static int child_stream(void *argument) {
    struct program *program = argument;
    int seen[TAG_COUNT];
    bool passed = take_failed(program->client.queue, 2, seen, TAG_COUNT) && seen[TAG_READ] == 1 &&
                  seen[TAG_STATUS] == 1;
    passed = report("child", "pending_tags", passed);
    passed = check_cancelled(&program->call) && passed;
    // Reading on, as a loop over a stream does that looks at the status only at its end.
    passed = start_reading(&program->call, tag_of(TAG_READ)) == GRPC_CALL_OK && passed;
    passed =
        take_failed(program->client.queue, 1, seen, TAG_COUNT) && seen[TAG_READ] == 1 && passed;
    passed = report("child", "read_on", passed);
    close_call(&program->call);
    passed = report_child_unary("child", &program->client, &program->before) && passed;
    return check_shutdown("child", program->client.queue) && passed ? 0 : 1;
}

static bool run_stream(struct program *program) {
    struct call *call = &program->call;
    grpc_completion_queue *queue = program->client.queue;
    open_call(call, program->client.channel, queue, METHOD_SERVER_STREAM);
    struct request request = {
        .text = "stream", .count = STREAM_LENGTH, .delay_milliseconds = STREAM_DELAY_MILLISECONDS};
    start_sending(call, &request, true, tag_of(TAG_SEND));
    bool passed = take_successful("parent", queue, tag_of(TAG_SEND));
    start_receiving(call, tag_of(TAG_METADATA));
    passed = take_successful("parent", queue, tag_of(TAG_METADATA)) && passed;
    start_reading(call, tag_of(TAG_READ));
    passed = take_successful("parent", queue, tag_of(TAG_READ)) && passed;
    struct reply reply;
    passed = check_reply(call, "parent", 0, &reply) && passed;
    start_reading(call, tag_of(TAG_READ));
    start_status(call, tag_of(TAG_STATUS));

    passed = run_in_child(child_stream, program) == 0 && passed;

    // Whatever became of the child.
    bool lost = false;
    for (int sequence = 1; sequence < STREAM_LENGTH && !lost; sequence++) {
        lost = !take_successful("parent", queue, tag_of(TAG_READ)) ||
               !check_reply(call, "parent", sequence, &reply);
        start_reading(call, tag_of(TAG_READ));
    }
    passed = report("parent", "whole_stream", !lost) && passed;
    // The last read finds the end of the stream, and the status comes with it, in either order.
    for (int i = 0; i < 2; i++) {
        grpc_event event = next_within(queue, CALL_SECONDS * 1000);
        passed = event.type == GRPC_OP_COMPLETE && passed;
    }
    passed = report("parent", "end_of_stream",
                    call->received == NULL && call->status == GRPC_STATUS_OK) &&
             passed;
    close_call(call);
    return passed;
}

static const struct {
    const char *name;
    bool (*run)(struct program *);
} subjects[] = {
    {"pending", run_pending},   {"same-tag", run_same_tag},   {"call-tag", run_call_tag},
    {"shutdown", run_shutdown}, {"completed", run_completed}, {"inherited", run_inherited},
    {"blocked", run_blocked},   {"stream", run_stream},
};

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: next_client ADDRESS SUBJECT\n");
        return 2;
    }
    address = argv[1];
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
        if (strcmp(argv[2], subjects[i].name) != 0) {
            continue;
        }
        static struct program program;
        grpc_init();
        program.client = (struct client){.channel = open_channel(address, NULL, NULL),
                                         .queue = grpc_completion_queue_create_for_next(NULL),
                                         .next = true};
        bool passed = report_unary("parent", &program.client, "from the parent", &program.before);
        passed = subjects[i].run(&program) && passed;
        passed = report_parent_again(&program.client, &program.before) && passed;
        grpc_channel_destroy(program.client.channel);
        passed = check_shutdown("parent", program.client.queue) && passed;
        grpc_shutdown();
        return passed ? 0 : 1;
    }
    fprintf(stderr, "next_client: no subject %s\n", argv[2]);
    return 2;
}
