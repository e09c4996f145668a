// The wrapper around a function of which only the first parameters are known: the others pass
// through it untouched, in registers and on the stack.
#include "testing.h"

#include "languages/cplusplus/create_call.h"

#include <string.h>

// More than any architecture has registers for; as many as the wrapper copies.
typedef void *real_function(void *channel, void *parent, uintptr_t mask, void *queue, uintptr_t a,
                            uintptr_t b, uintptr_t c, uintptr_t d, uintptr_t e, uintptr_t f,
                            uintptr_t g, uintptr_t h);

static char program_channel, program_parent, program_queue, program_call;
static char real_core, real_channel, real_parent, real_queue, real_call;
static const void *caller_seen;
static uintptr_t rest_seen[8];

static void *real(void *channel, void *parent, uintptr_t mask, void *queue, uintptr_t a,
                  uintptr_t b, uintptr_t c, uintptr_t d, uintptr_t e, uintptr_t f, uintptr_t g,
                  uintptr_t h) {
    assert_ptr_equal(channel, &real_channel);
    assert_ptr_equal(parent, &real_parent);
    assert_int_equal(mask, 0xffff);
    assert_ptr_equal(queue, &real_queue);
    const uintptr_t rest[] = {a, b, c, d, e, f, g, h};
    memcpy(rest_seen, rest, sizeof(rest));
    return &real_call;
}

void create_call_before(struct create_call_arguments *arguments, const void *caller) {
    assert_ptr_equal(arguments->channel, &program_channel);
    assert_ptr_equal(arguments->parent, &program_parent);
    assert_int_equal(arguments->mask, 0xffff);
    assert_ptr_equal(arguments->queue, &program_queue);
    caller_seen = caller;
    arguments->queue_handle = arguments->queue;
    arguments->channel = &real_channel;
    arguments->parent = (grpc_call *)&real_parent;
    arguments->queue = &real_queue;
    arguments->real = (void *)(uintptr_t)real;
    arguments->core = &real_core;
}

grpc_call *create_call_after(grpc_call *call, const grpc_completion_queue *queue,
                             const void *core) {
    assert_ptr_equal(core, &real_core);
    assert_ptr_equal(call, &real_call);
    assert_ptr_equal(queue, &program_queue);
    return (grpc_call *)&program_call;
}

static void test_passes_all_arguments(void **state) {
    (void)state;
    void *address = (void *)(uintptr_t)create_call_wrapper;
    real_function *wrapper;
    memcpy(&wrapper, &address, sizeof(wrapper));
    for (uintptr_t round = 0; round < 3; round++) {
        memset(rest_seen, 0, sizeof(rest_seen));
        void *call = wrapper(&program_channel, &program_parent, 0xffff, &program_queue, round + 11,
                             round + 12, round + 13, round + 14, round + 15, round + 16, round + 17,
                             round + 18);
        assert_ptr_equal(call, &program_call);
        for (uintptr_t i = 0; i < 8; i++)
            assert_int_equal(rest_seen[i], round + 11 + i);
    }
    // In this function, if perhaps not at a line of its own.
    uintptr_t distance = (uintptr_t)caller_seen - (uintptr_t)test_passes_all_arguments;
    assert_true(distance < 4096);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passes_all_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
