// What a debug build checks of locks: built with the checks, whatever the type of the build.
#include "base/lock.h"
#include "child.h"
#include "testing.h"

#include <signal.h>
#include <unistd.h>

static struct lock outer = LOCK_INITIALIZER(LOCK_WORK);
static struct lock inner = LOCK_INITIALIZER(LOCK_RECORDS);

static void in_order(void *context) {
    (void)context;
    lock_acquire(&outer);
    lock_acquire(&inner);
    lock_release(&inner);
    lock_release(&outer);
    lock_acquire(&inner);
    lock_release(&inner);
}

static void out_of_order(void *context) {
    (void)context;
    lock_acquire(&inner);
    lock_acquire(&outer);
}

static void twice(void *context) {
    (void)context;
    lock_acquire(&inner);
    lock_acquire(&inner);
}

static void in_handler(void *context) {
    (void)context;
    lock_note_handler(true, false);
    lock_acquire(&inner);
}

static void after_handler_in_child(void *context) {
    (void)context;
    lock_acquire(&inner);
    lock_note_handler(true, true);
    lock_reset_in_child(&inner);
    lock_note_handler(false, true);
    lock_acquire(&outer);
    lock_release(&outer);
}

static void lets_locks_be_taken_in_order(void **state) {
    (void)state;
    assert_int_equal(run_in_child(in_order, NULL), 0);
    assert_int_equal(run_in_child(after_handler_in_child, NULL), 0);
}

static void aborts_otherwise(void **state) {
    (void)state;
    assert_int_equal(run_in_child(out_of_order, NULL), SIGABRT);
    assert_int_equal(run_in_child(twice, NULL), SIGABRT);
    assert_int_equal(run_in_child(in_handler, NULL), SIGABRT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lets_locks_be_taken_in_order),
        cmocka_unit_test(aborts_otherwise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
