// What closefrom() comes to where libc and kernel have nothing for it.
#include "child.h"
#include "testing.h"

#include "descriptors/close_each.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

// More than one list of the kernel's holds.
#define FIRST 100
#define COUNT 200

static void open_many(void) {
    struct rlimit limit;
    require(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > FIRST + COUNT);
    for (int i = 0; i < COUNT; i++)
        require(dup2(STDERR_FILENO, FIRST + i) == FIRST + i);
}

static int count_open(int from) {
    int count = 0;
    for (int number = from; number < FIRST + COUNT + 10; number++)
        count += fcntl(number, F_GETFD) >= 0;
    return count;
}

static void close_upper_half(void *context) {
    (void)context;
    open_many();
    int before = count_open(0);
    descriptors_close_each(FIRST + COUNT / 2);
    require(count_open(FIRST + COUNT / 2) == 0);
    require(count_open(0) == before - COUNT / 2);
}

static void close_without_proc(void *context) {
    require(chroot(context) == 0 && chdir("/") == 0);
    require(access("/proc/self/fd", F_OK) != 0);
    close_upper_half(NULL);
}

static void closes_from_a_number_on(void **state) {
    (void)state;
    assert_int_equal(run_in_child(close_upper_half, NULL), 0);
}

static void closes_where_there_is_no_list(void **state) {
    char empty[] = "/tmp/close_each_test.XXXXXX";
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_non_null(mkdtemp(empty));
    assert_int_equal(run_in_child(close_without_proc, empty), 0);
    rmdir(empty);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closes_from_a_number_on),
        cmocka_unit_test(closes_where_there_is_no_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
