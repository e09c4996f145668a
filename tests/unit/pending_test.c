// Operations from their start to the return of their tags, also through a fork.
//
// Each test runs in a child: it changes the generation, as if it were the child of the process that
// started the operations.
#include "allocation.h"
#include "child.h"
#include "fake_grpc.h"
#include "one_core.h"
#include "testing.h"

#include "base/generation.h"
#include "objects/registry.h"
#include "objects/revival.h"
#include "operations/completion_queue.h"
#include "operations/pending.h"

#include <pthread.h>
#include <semaphore.h>
#include <string.h>

static char addresses[16];

static grpc_call *const call = (grpc_call *)&addresses[0];
static grpc_call *const other_call = (grpc_call *)&addresses[1];
static void *const tag = &addresses[2];
static void *const other_tag = &addresses[3];
static void *const third_tag = &addresses[4];
static grpc_completion_queue *const queue = (grpc_completion_queue *)&addresses[5];
static grpc_completion_queue *const plucked_queue = (grpc_completion_queue *)&addresses[6];
static grpc_completion_queue *const callback_queue = (grpc_completion_queue *)&addresses[7];
static grpc_completion_queue *const unknown_queue = (grpc_completion_queue *)&addresses[8];

static const gpr_timespec never;

static void record_queue(grpc_completion_queue *handle, grpc_cq_completion_type type) {
    const grpc_completion_queue_attributes attributes = {
        .version = 1,
        .cq_completion_type = type,
    };
    require(completion_queue_record(core, handle, &attributes) == handle);
}

static void set_up(void) {
    fake_grpc_bind();
    record_queue(queue, GRPC_CQ_NEXT);
    record_queue(plucked_queue, GRPC_CQ_PLUCK);
    record_queue(callback_queue, GRPC_CQ_CALLBACK);
}

// What follows happens in a child of the process before.
static void become_child(void) {
    generation_begin();
    registry_reset_locks_in_child();
    revival_reset_locks_in_child();
}

static struct pending *begin(grpc_completion_queue *on, const grpc_call *of, void *with,
                             void **changed) {
    const grpc_op operation = {.op = GRPC_OP_SEND_INITIAL_METADATA};
    *changed = with;
    return pending_begin(core, on, completion_queue_type(on), of, &operation, 1, changed);
}

static grpc_event completed(void *with) {
    return (grpc_event){.type = GRPC_OP_COMPLETE, .success = 1, .tag = with};
}

static void *complete(grpc_completion_queue *on, void *with) {
    grpc_event event = completed(with);
    pending_complete(on, &event);
    require(event.type == GRPC_OP_COMPLETE && event.success == 1);
    return event.tag;
}

static bool is_pending(grpc_completion_queue *on, const void *with) {
    return registry_find(OBJECT_PENDING, with, (uintptr_t)on) != NULL;
}

static void check_next(void *with, int success) {
    grpc_event event = completion_queue_next(core, queue, never, NULL);
    require(event.type == GRPC_OP_COMPLETE);
    require(event.tag == with);
    require(event.success == success);
}

static void check_no_next(void) {
    require(completion_queue_next(core, queue, never, NULL).type == GRPC_QUEUE_TIMEOUT);
}

static void complete_or_cancel(void) {
    void *changed;
    require(begin(queue, call, tag, &changed) != NULL);
    require(changed == tag && is_pending(queue, tag));
    require(complete(queue, tag) == tag);
    require(!is_pending(queue, tag));
    require(complete(queue, tag) == tag); // one that is not ours
    struct pending *cancelled = begin(queue, call, tag, &changed);
    require(is_pending(queue, tag));
    pending_cancel(cancelled);
    require(!is_pending(queue, tag));
    pending_cancel(NULL);
}

static void begin_untracked(void) {
    void *changed;
    require(begin(unknown_queue, call, tag, &changed) == NULL && changed == tag);
    require(!is_pending(unknown_queue, tag));
    allocation_fail(true);
    require(begin(queue, call, tag, &changed) == NULL && changed == tag);
    allocation_fail(false);
    require(!is_pending(queue, tag));
}

static void begin_equal_tags(void) {
    void *first, *second, *same_call, *plucked, *other_plucked;
    require(begin(queue, call, tag, &first) != NULL && first == tag);
    require(begin(queue, other_call, tag, &second) != NULL && second != tag);
    require(begin(queue, call, tag, &same_call) != NULL && same_call == tag);
    require(begin(plucked_queue, call, tag, &plucked) != NULL && plucked == tag);
    require(begin(plucked_queue, other_call, tag, &other_plucked) != NULL && other_plucked == tag);
    require(complete(queue, second) == tag);
    require(complete(queue, first) == tag && is_pending(queue, tag));
    require(complete(queue, same_call) == tag && !is_pending(queue, tag));
    require(complete(plucked_queue, plucked) == tag && complete(plucked_queue, plucked) == tag);
    require(!is_pending(plucked_queue, tag));
}

static void begin_and_end_often(void) {
    for (size_t i = 0; i < 10000; i++) {
        void *first, *second, *cancelled;
        begin(queue, call, tag, &first);
        begin(queue, other_call, tag, &second);
        complete(queue, second);
        complete(queue, first);
        pending_cancel(begin(queue, call, tag, &cancelled));
    }
}

static void leave_no_memory_behind(void) {
    begin_and_end_often();
    size_t before = allocation_bytes();
    begin_and_end_often();
    require(allocation_bytes() == before);
}

// Where the operations of a call put their results; none of it is what a failure leaves there.
struct results {
    grpc_metadata_array initial_metadata, trailing_metadata;
    grpc_byte_buffer *message;
    grpc_status_code status;
    grpc_slice details;
    const char *error;
    int cancelled;
};

static struct results make_results(void) {
    return (struct results){
        .initial_metadata = {.count = 3, .capacity = 5},
        .trailing_metadata = {.count = 4, .capacity = 6},
        .message = (grpc_byte_buffer *)&addresses[9],
        .status = 77,
        .error = "error",
        .cancelled = 0,
    };
}

static size_t make_operations(grpc_op operations[5], struct results *results) {
    memset(operations, 0, 5 * sizeof(operations[0]));
    operations[0].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
    operations[1].op = GRPC_OP_RECV_INITIAL_METADATA;
    operations[1].data.recv_initial_metadata.recv_initial_metadata = &results->initial_metadata;
    operations[2].op = GRPC_OP_RECV_MESSAGE;
    operations[2].data.recv_message.recv_message = &results->message;
    operations[3].op = GRPC_OP_RECV_STATUS_ON_CLIENT;
    operations[3].data.recv_status_on_client.trailing_metadata = &results->trailing_metadata;
    operations[3].data.recv_status_on_client.status = &results->status;
    operations[3].data.recv_status_on_client.status_details = &results->details;
    operations[3].data.recv_status_on_client.error_string = &results->error;
    operations[4].op = GRPC_OP_RECV_CLOSE_ON_SERVER;
    operations[4].data.recv_close_on_server.cancelled = &results->cancelled;
    return 5;
}

static void check_failed(const struct results *results) {
    require(results->initial_metadata.count == 0 && results->initial_metadata.capacity == 5);
    require(results->trailing_metadata.count == 0 && results->trailing_metadata.capacity == 6);
    require(results->message == NULL);
    require(results->status == GRPC_STATUS_CANCELLED);
    require(strstr(fake_grpc_text(&results->details), "fork") != NULL);
    require(results->error == NULL);
    require(results->cancelled == 1);
}

static void inherit_batches(void) {
    struct results results = make_results();
    grpc_op operations[5];
    void *changed = tag;
    size_t count = make_operations(operations, &results);
    grpc_byte_buffer *message = (grpc_byte_buffer *)&addresses[9];
    const grpc_op receive = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message = {&message}};
    require(pending_begin(core, queue, completion_queue_type(queue), call, operations, count,
                          &changed) != NULL);
    changed = other_tag;
    require(pending_begin(core, queue, completion_queue_type(queue), call, &receive, 1, &changed) !=
            NULL);
    become_child();
    completion_queue_reset_locks_in_child();
    pending_inherit();
    require(results.status == 77 && message != NULL); // until the program gets the tags
    grpc_event events[2] = {completion_queue_next(core, queue, never, NULL),
                            completion_queue_next(core, queue, never, NULL)};
    for (size_t i = 0; i < 2; i++) {
        require(events[i].type == GRPC_OP_COMPLETE);
        require(events[i].tag == (events[1 - i].tag == tag ? other_tag : tag));
        // One that receives the status always succeeds.
        require(events[i].success == (events[i].tag == tag));
    }
    check_failed(&results);
    require(message == NULL);
    require(fake_grpc.queues_made == 0);
    check_no_next();
    require(fake_grpc.queues_made == 1 && fake_grpc.queue_asked != queue);
}

static void inherit_changed_tags(void) {
    void *first, *second;
    begin(queue, call, tag, &first);
    begin(queue, other_call, tag, &second);
    require(second != tag);
    become_child();
    completion_queue_reset_locks_in_child();
    pending_inherit();
    check_next(tag, 0);
    check_next(tag, 0);
    check_no_next();
}

static void inherit_finished(void) {
    void *changed;
    begin(queue, call, tag, &changed);
    complete(queue, changed);
    pending_cancel(begin(queue, call, other_tag, &changed));
    become_child();
    completion_queue_reset_locks_in_child();
    pending_inherit();
    check_no_next();
    // What this process started goes on.
    begin(queue, call, third_tag, &changed);
    completion_queue_reset_locks_in_child();
    pending_inherit();
    check_no_next();
    require(is_pending(queue, third_tag));
}

static void pluck_inherited(void) {
    void *changed;
    begin(plucked_queue, call, tag, &changed);
    begin(plucked_queue, call, other_tag, &changed);
    become_child();
    completion_queue_reset_locks_in_child();
    pending_inherit();
    fake_grpc.events[fake_grpc.event_count++] = completed(third_tag);
    grpc_event event = completion_queue_pluck(core, plucked_queue, other_tag, never, NULL);
    require(event.type == GRPC_OP_COMPLETE && event.tag == other_tag && !event.success);
    event = completion_queue_pluck(core, plucked_queue, third_tag, never, NULL);
    require(event.type == GRPC_OP_COMPLETE && event.tag == third_tag && event.success);
    event = completion_queue_pluck(core, plucked_queue, tag, never, NULL);
    require(event.type == GRPC_OP_COMPLETE && event.tag == tag && !event.success);
    event = completion_queue_pluck(core, plucked_queue, tag, never, NULL);
    require(event.type == GRPC_QUEUE_TIMEOUT);
}

static void inherit_on_a_queue_that_is_gone(void) {
    void *changed;
    begin(queue, call, tag, &changed);
    require(registry_drop_handle(OBJECT_COMPLETION_QUEUE, queue).object != NULL);
    become_child();
    completion_queue_reset_locks_in_child();
    pending_inherit();
    require(!is_pending(queue, tag));
}

static void inherit_twice(void) {
    void *changed;
    begin(queue, call, tag, &changed);
    become_child();
    completion_queue_reset_locks_in_child();
    pending_inherit();
    // The child did not take it; its own child can.
    become_child();
    completion_queue_reset_locks_in_child();
    pending_inherit();
    check_next(tag, 0);
    check_no_next();
}

static void start_on_inherited_call(void) {
    struct results results = make_results();
    grpc_op operations[5];
    size_t count = make_operations(operations, &results);
    become_child();
    pending_start_failed(core, queue, call, operations, count, tag);
    require(fake_grpc.batches == 1 && fake_grpc.calls_made == 1);
    require(fake_grpc.channels_made == 1 && fake_grpc.channels_destroyed == 1);
    require(fake_grpc.queue_of_call != queue && fake_grpc.calls_released == 0);
    check_next(tag, 1);
    require(fake_grpc.calls_released == 1);
    check_failed(&results);
    pending_start_failed(core, queue, call, operations, 1, other_tag);
    check_next(other_tag, 0);
    pending_start_finished(core, queue, 1, third_tag);
    check_next(third_tag, 1);
    require(fake_grpc.calls_released == 3);
    check_no_next();
}

static void start_on_a_queue_that_is_shut_down(void) {
    struct results results = make_results();
    grpc_op operations[5];
    size_t count = make_operations(operations, &results);
    become_child();
    completion_queue_record_shutdown(queue);
    pending_start_failed(core, queue, call, operations, count, tag);
    require(fake_grpc.batches == 0);
    check_next(tag, 1);
    check_failed(&results);
    check_no_next();
}

static void start_on_a_queue_that_is_gone(void) {
    struct results results = make_results();
    grpc_op operations[5];
    size_t count = make_operations(operations, &results);
    become_child();
    pending_start_failed(core, unknown_queue, call, operations, count, tag);
    require(fake_grpc.batches == 0 && fake_grpc.calls_made == 0);
    check_failed(&results);
}

static void start_refused(void) {
    const grpc_op operation = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};
    become_child();
    fake_grpc.start_batch_returns = GRPC_CALL_ERROR;
    pending_start_failed(core, queue, call, &operation, 1, tag);
    require(fake_grpc.calls_made == 1 && fake_grpc.calls_released == 1);
    require(!is_pending(queue, tag));
    check_no_next();
}

static void make_call(void) {
    void *changed;
    grpc_call *made = other_call;
    changed = tag;
    require(pending_begin_request(core, queue, &made, plucked_queue, &changed) != NULL);
    require(complete(queue, changed) == tag);
    require(registry_find(OBJECT_CALL, other_call, 0) != NULL);
    changed = tag;
    require(pending_begin_request(core, queue, &made, plucked_queue, &changed) != NULL);
    become_child();
    completion_queue_reset_locks_in_child();
    pending_inherit();
    check_next(tag, 0);
    require(made == NULL);
}

// The tag of a callback queue, which is a function.
struct programs_functor {
    grpc_completion_queue_functor functor;
    sem_t called;
    int success;
};

static void program_called_back(grpc_completion_queue_functor *functor, int success) {
    struct programs_functor *programs = (struct programs_functor *)functor;
    programs->success = success;
    sem_post(&programs->called);
}

static struct programs_functor make_functor(void) {
    struct programs_functor made = {
        .functor = {.functor_run = program_called_back, .inlineable = 1}, .success = -1};
    require(sem_init(&made.called, 0, 0) == 0);
    return made;
}

static void call_back(void) {
    struct programs_functor programs = make_functor();
    void *changed;
    require(begin(callback_queue, call, &programs, &changed) != NULL);
    require(changed != &programs && is_pending(callback_queue, changed));
    grpc_completion_queue_functor *functor = changed;
    require(functor->inlineable == 1);
    functor->functor_run(functor, 1);
    require(sem_trywait(&programs.called) == 0 && programs.success == 1);
    require(!is_pending(callback_queue, changed));
}

static void call_back_what_was_pending_at_fork(void) {
    struct programs_functor over = make_functor(), first = make_functor(), second = make_functor();
    grpc_status_code code = 0;
    grpc_slice details = {0};
    const grpc_op receive_status = {
        .op = GRPC_OP_RECV_STATUS_ON_CLIENT,
        .data.recv_status_on_client = {.status = &code, .status_details = &details}};
    void *changed;
    begin(callback_queue, call, &over, &changed);
    ((grpc_completion_queue_functor *)changed)->functor_run(changed, 1);
    begin(callback_queue, call, &first, &changed);
    changed = &second;
    pending_begin(core, callback_queue, GRPC_CQ_CALLBACK, call, &receive_status, 1, &changed);
    become_child();
    alarm(120);
    completion_queue_reset_locks_in_child();
    pending_inherit();
    sem_wait(&first.called);
    sem_wait(&second.called);
    require(first.success == 0 && second.success == 1 && code == GRPC_STATUS_CANCELLED);
    require(sem_trywait(&over.called) == 0 && sem_trywait(&over.called) != 0);
}

static void call_back_on_a_queue_that_is_shut_down(void) {
    struct programs_functor programs = make_functor();
    const grpc_op operation = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};
    become_child();
    alarm(120);
    completion_queue_record_shutdown(callback_queue);
    pending_start_failed(core, callback_queue, call, &operation, 1, &programs);
    sem_wait(&programs.called);
    require(programs.success == 0 && fake_grpc.batches == 0);
}

#define LEFT_IN_QUEUE 2000 // the longer the list, the longer its lock is held

static void *use_queue(void *context) {
    const grpc_op operation = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};
    (void)context;
    for (size_t i = 0; i < LEFT_IN_QUEUE; i++)
        pending_start_failed(core, queue, call, &operation, 1, tag);
    for (;;) {
        pending_start_failed(core, queue, call, &operation, 1, tag);
        completion_queue_next(core, queue, never, NULL);
    }
    return NULL;
}

#define GRANDCHILDREN 100

// A child's thread is busy with the failed operations of a queue when the child forks.
static void fork_child_that_uses_a_queue(void) {
    pthread_t thread;
    become_child();
    completion_queue_record_shutdown(queue);
    alarm(120);
    require(pthread_create(&thread, NULL, use_queue, NULL) == 0);
    for (int i = 0; i < GRANDCHILDREN; i++) {
        pid_t child = fork();
        if (child == 0) {
            child_begin();
            become_child();
            completion_queue_reset_locks_in_child();
            pending_inherit();
            pending_start_finished(core, queue, 1, other_tag);
            while (completion_queue_next(core, queue, never, NULL).tag != other_tag) {
            }
            _exit(0);
        }
        int status = wait_for_child(child);
        if (status != 0)
            dprintf(STDERR_FILENO, "grandchild %d: status %#x\n", i, (unsigned)status);
        require(status == 0);
    }
}

static void run(void *context) {
    void (*test)(void);
    *(void **)&test = *(void **)context;
    set_up();
    test();
}

#define TEST(name, function)                                                                       \
    static void name(void **state) {                                                               \
        void (*test)(void) = function;                                                             \
        (void)state;                                                                               \
        assert_int_equal(run_in_child(run, &test), 0);                                             \
    }

TEST(forgets_what_is_complete_or_cancelled, complete_or_cancel)
TEST(leaves_alone_what_it_cannot_track, begin_untracked)
TEST(tells_equal_tags_of_several_calls_apart, begin_equal_tags)
TEST(frees_what_is_over, leave_no_memory_behind)
TEST(fails_what_was_pending_at_fork, inherit_batches)
TEST(fails_equal_tags_each_once, inherit_changed_tags)
TEST(does_not_fail_what_was_over_or_is_new, inherit_finished)
TEST(fails_the_tag_that_is_asked_for, pluck_inherited)
TEST(drops_what_no_queue_waits_for, inherit_on_a_queue_that_is_gone)
TEST(fails_in_a_grandchild_what_its_parent_left, inherit_twice)
TEST(carries_a_failed_operation_through_the_queue, start_on_inherited_call)
TEST(fails_on_a_queue_that_is_shut_down, start_on_a_queue_that_is_shut_down)
TEST(sets_outputs_without_a_queue, start_on_a_queue_that_is_gone)
TEST(cleans_up_where_grpc_refuses, start_refused)
TEST(records_the_call_that_a_server_gets, make_call)
TEST(calls_back_what_grpc_completes, call_back)
TEST(calls_back_what_was_pending_at_fork, call_back_what_was_pending_at_fork)
TEST(calls_back_though_the_queue_is_shut_down, call_back_on_a_queue_that_is_shut_down)
TEST(lets_a_grandchild_use_a_busy_queue, fork_child_that_uses_a_queue)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forgets_what_is_complete_or_cancelled),
        cmocka_unit_test(leaves_alone_what_it_cannot_track),
        cmocka_unit_test(tells_equal_tags_of_several_calls_apart),
        cmocka_unit_test(frees_what_is_over),
        cmocka_unit_test(fails_what_was_pending_at_fork),
        cmocka_unit_test(fails_equal_tags_each_once),
        cmocka_unit_test(does_not_fail_what_was_over_or_is_new),
        cmocka_unit_test(fails_the_tag_that_is_asked_for),
        cmocka_unit_test(drops_what_no_queue_waits_for),
        cmocka_unit_test(fails_in_a_grandchild_what_its_parent_left),
        cmocka_unit_test(carries_a_failed_operation_through_the_queue),
        cmocka_unit_test(fails_on_a_queue_that_is_shut_down),
        cmocka_unit_test(sets_outputs_without_a_queue),
        cmocka_unit_test(cleans_up_where_grpc_refuses),
        cmocka_unit_test(records_the_call_that_a_server_gets),
        cmocka_unit_test(calls_back_what_grpc_completes),
        cmocka_unit_test(calls_back_what_was_pending_at_fork),
        cmocka_unit_test(calls_back_though_the_queue_is_shut_down),
        cmocka_unit_test(lets_a_grandchild_use_a_busy_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
