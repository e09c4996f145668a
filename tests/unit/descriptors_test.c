// The descriptors that children close: those that gRPC has, and no others.
//
// The test stands for gRPC (open_tracked, close_tracked) and for the program (plain calls). Each
// test runs in a child, which is the parent of the story, since what is tracked can't be reset.
#include "child.h"
#include "testing.h"

#include "descriptors/descriptors.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

static int open_socket(void) {
    int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
    require(descriptor >= 0);
    return descriptor;
}

// As entry/descriptor.c has it.
static int open_tracked(void) {
    int opening = descriptors_opening();
    int descriptor = open_socket();
    descriptors_opened(opening, descriptor, -1);
    return descriptor;
}

static void opened(int descriptor) {
    descriptors_opened(descriptors_opening(), descriptor, -1);
}

static void closing(int descriptor) {
    descriptors_closing((unsigned)descriptor, (unsigned)descriptor);
}

static void closed(int descriptor) {
    descriptors_closed((unsigned)descriptor, (unsigned)descriptor);
}

// As entry/descriptor.c has it.
static void close_tracked(int descriptor) {
    require(descriptors_tracked(descriptor));
    closing(descriptor);
    require(close(descriptor) == 0);
    closed(descriptor);
}

static bool is_open(int descriptor) {
    return fcntl(descriptor, F_GETFD) >= 0;
}

// Another socket under this number, as for a program that got it by chance.
static void reuse(int number) {
    int descriptor = open_socket();
    if (descriptor == number)
        return;
    require(dup2(descriptor, number) == number);
    close(descriptor);
}

// What the next child of the fork must close and keep; ended by -1.
struct fate {
    int closed[8];
    int kept[8];
};

static void close_and_check(void *context) {
    const struct fate *fate = context;
    unsigned count = 0;
    errno = 4711;
    descriptors_close_in_child();
    require(errno == 4711);
    for (; fate->closed[count] >= 0; count++) {
        require(!is_open(fate->closed[count]));
        require(!descriptors_tracked(fate->closed[count]));
    }
    require(descriptors_closed_in_child() == count);
    for (size_t i = 0; fate->kept[i] >= 0; i++)
        require(is_open(fate->kept[i]));
}

static void check_fate(struct fate fate) {
    require(run_in_child(close_and_check, &fate) == 0);
    for (size_t i = 0; fate.closed[i] >= 0; i++)
        require(is_open(fate.closed[i]));
    for (size_t i = 0; fate.kept[i] >= 0; i++)
        require(is_open(fate.kept[i]));
}

static void close_only_tracked(void *context) {
    (void)context;
    check_fate((struct fate){{-1}, {0, 1, 2, -1}});
    int own = open_socket(), first = open_tracked(), second = open_tracked(), other = open_socket();
    require(!descriptors_tracked(own) && !descriptors_tracked(other));
    require(descriptors_tracked(first) && descriptors_tracked(second));
    check_fate((struct fate){{first, second, -1}, {0, 1, 2, own, other, -1}});
}

static void ignore_bad_numbers(void *context) {
    (void)context;
    int unused = open_socket();
    close(unused);
    errno = 4711;
    opened(-1);
    opened(unused);
    opened(DESCRIPTORS_MAXIMUM);
    opened(INT32_MAX);
    require(errno == 4711);
    require(!descriptors_tracked(-1) && !descriptors_tracked(unused));
    require(!descriptors_tracked(DESCRIPTORS_MAXIMUM) && !descriptors_tracked(INT32_MAX));
    descriptors_closing(0, ~0u);
    descriptors_closed(0, ~0u);
    check_fate((struct fate){{-1}, {0, 1, 2, -1}});
}

static void forget_closed(void *context) {
    (void)context;
    int first = open_tracked(), second = open_tracked();
    close_tracked(first);
    require(!descriptors_tracked(first));
    reuse(first);
    check_fate((struct fate){{second, -1}, {first, -1}});
    close_tracked(second);
    check_fate((struct fate){{-1}, {first, -1}});
}

static void fork_while_closing(void *context) {
    (void)context;
    int still_open = open_tracked(), already_closed = open_tracked();
    closing(still_open);
    closing(already_closed);
    close(already_closed);
    check_fate((struct fate){{still_open, -1}, {0, 1, 2, -1}});
}

// A child of fork() has the descriptors of an earlier instant than its memory: the descriptor is
// closed in the memory that it gets, and open in its table.
static void close_while_forking(void *context) {
    int late = open_tracked(), early = open_tracked();
    (void)context;
    close_tracked(early);
    descriptors_fork_begins();
    int kept_for_the_child = dup(late);
    close_tracked(late);
    require(descriptors_tracked(late));
    require(dup2(kept_for_the_child, late) == late);
    close(kept_for_the_child);
    check_fate((struct fate){{late, -1}, {0, 1, 2, -1}});
    close(late);
    descriptors_fork_ended();
    require(!descriptors_tracked(late));
    reuse(late);
    check_fate((struct fate){{-1}, {late, -1}});
}

static void reuse_while_forking(void *context) {
    (void)context;
    int by_program = open_tracked(), by_grpc = open_tracked();
    descriptors_fork_begins();
    close_tracked(by_program);
    reuse(by_program);
    close_tracked(by_grpc);
    reuse(by_grpc);
    opened(by_grpc);
    check_fate((struct fate){{by_grpc, -1}, {by_program, -1}});
    descriptors_fork_ended();
    require(!descriptors_tracked(by_program) && descriptors_tracked(by_grpc));
    check_fate((struct fate){{by_grpc, -1}, {by_program, -1}});
}

// The same number twice within one fork: the child has the first of them, its memory the second.
static void reopen_while_forking(void *context) {
    (void)context;
    int number = open_tracked();
    int first = dup(number);
    descriptors_fork_begins();
    close_tracked(number);
    reuse(number);
    opened(number);
    // As the child finds it:
    require(dup2(first, number) == number);
    close(first);
    check_fate((struct fate){{number, -1}, {0, 1, 2, -1}});
}

// Likewise, and the thread that closed the first has not come to say so: the number is in use again
// as soon as the system call has returned.
static void reopen_before_the_close_is_noted(void *context) {
    (void)context;
    int number = open_tracked();
    int first = dup(number);
    descriptors_fork_begins();
    closing(number);
    close(number);
    reuse(number);
    opened(number);
    closed(number);
    require(descriptors_tracked(number));
    int second = dup(number);
    require(dup2(first, number) == number);
    close(first);
    check_fate((struct fate){{number, -1}, {0, 1, 2, -1}});
    require(dup2(second, number) == number);
    close(second);
    descriptors_fork_ended();
    // After the fork it is known again which it is.
    check_fate((struct fate){{number, -1}, {0, 1, 2, -1}});
    reuse(number);
    check_fate((struct fate){{-1}, {number, -1}});
}

static void fork_in_two_threads(void *context) {
    (void)context;
    int descriptor = open_tracked();
    descriptors_fork_begins();
    descriptors_fork_begins();
    close_tracked(descriptor);
    descriptors_fork_ended();
    require(descriptors_tracked(descriptor));
    descriptors_fork_ended();
    require(!descriptors_tracked(descriptor));
}

// The very first descriptors of a process, opened while another thread forks.
static void fork_early(void *context) {
    (void)context;
    descriptors_fork_begins();
    int first = open_tracked(), second = open_tracked();
    close_tracked(first);
    require(descriptors_tracked(first));
    descriptors_fork_ended();
    require(!descriptors_tracked(first));
    descriptors_fork_begins();
    close_tracked(second);
    require(descriptors_tracked(second));
    descriptors_fork_ended();
    require(!descriptors_tracked(second));
}

static void reuse_behind_the_back(void *context) {
    (void)context;
    int as_socket = open_tracked(), as_file = open_tracked(), by_grpc = open_tracked();
    syscall(SYS_close, as_socket);
    reuse(as_socket);
    syscall(SYS_close, as_file);
    require(open("/dev/null", O_RDWR) == as_file);
    syscall(SYS_close, by_grpc);
    reuse(by_grpc);
    opened(by_grpc);
    check_fate((struct fate){{by_grpc, -1}, {as_socket, as_file, -1}});
}

static void close_ranges(void *context) {
    (void)context;
    int numbers[4];
    for (int i = 0; i < 4; i++) {
        numbers[i] = 62 + i;
        reuse(numbers[i]);
        opened(numbers[i]);
    }
    descriptors_closing(63, 64);
    close(63);
    close(64);
    descriptors_closed(63, 64);
    require(descriptors_tracked(62) && descriptors_tracked(65));
    require(!descriptors_tracked(63) && !descriptors_tracked(64));
    check_fate((struct fate){{62, 65, -1}, {0, 1, 2, -1}});
    descriptors_closing(0, ~0u);
    descriptors_closed(0, ~0u);
    require(!descriptors_tracked(62) && !descriptors_tracked(65));
}

// Python's subprocess and posix_spawn's imitations close all they have before they exec; their
// memory is their parent's.
static void close_after_vfork(void *context) {
    (void)context;
    int descriptor = open_tracked();
    pid_t child = vfork();
    if (child == 0) {
        // NOLINTBEGIN(clang-analyzer-unix.Vfork): what is prohibited is what is tested
        descriptors_closing(0, ~0u);
        syscall(SYS_close, descriptor);
        descriptors_closed(0, ~0u);
        _exit(0);
        // NOLINTEND(clang-analyzer-unix.Vfork)
    }
    require(child > 0 && wait_for_child(child) == 0);
    check_fate((struct fate){{descriptor, -1}, {0, 1, 2, -1}});
    close_tracked(descriptor);
    require(!descriptors_tracked(descriptor));
}

static void inherit_twice(void *context) {
    if (context == NULL) {
        int descriptor = open_tracked();
        require(run_in_child(inherit_twice, &descriptor) == 0);
        require(is_open(descriptor));
        return;
    }
    int of_parent = *(int *)context;
    descriptors_close_in_child();
    require(!is_open(of_parent));
    int own = open_tracked(), second = open_tracked();
    check_fate((struct fate){{own, second, -1}, {0, 1, 2, -1}});
}

#define MANY 3000

static void check_many(void *context) {
    const int *numbers = context;
    descriptors_close_in_child();
    require(descriptors_closed_in_child() == MANY / 2);
    for (size_t i = 0; i < MANY; i++)
        require(is_open(numbers[i]) == (i % 2 == 1));
}

static void close_many(void *context) {
    static int numbers[MANY];
    (void)context;
    const struct rlimit limit = {MANY + 100, MANY + 100};
    require(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    for (size_t i = 0; i < MANY; i++) {
        numbers[i] = eventfd(0, 0);
        require(numbers[i] >= 0);
        if (i % 2 == 0)
            opened(numbers[i]);
    }
    require(run_in_child(check_many, numbers) == 0);
    for (size_t i = 0; i < MANY; i++)
        require(is_open(numbers[i]));
}

#define WORKERS 3
#define SOCKETS 8 // of each worker
#define FORKS 1500

// Faster than any gRPC.
#define PAUSE_NANOSECONDS 20000

// How many may be opened until the next child has ended: fewer than are remembered, or on a busy
// machine the memory of those that were being opened at the fork would be overwritten before the
// child asks.
#define OPENINGS_EACH 500
static atomic_int openings_left;

static void *open_and_close(void *context) {
    const struct timespec pause = {0, PAUSE_NANOSECONDS};
    int sockets[SOCKETS];
    (void)context;
    for (size_t i = 0;; i++) {
        do {
            nanosleep(&pause, NULL);
        } while (atomic_fetch_sub(&openings_left, 1) <= 0);
        if (i >= SOCKETS)
            close_tracked(sockets[i % SOCKETS]);
        sockets[i % SOCKETS] = open_tracked();
    }
    return NULL;
}

static size_t count_sockets(void) {
    struct stat status;
    size_t count = 0;
    for (int descriptor = 0; descriptor < 200; descriptor++)
        count += fstat(descriptor, &status) == 0 && S_ISSOCK(status.st_mode);
    return count;
}

static void fork_under_load(void *context) {
    (void)context;
    pthread_t thread;
    size_t leaking = 0;
    alarm(120);
    for (size_t i = 0; i < WORKERS; i++)
        require(pthread_create(&thread, NULL, open_and_close, NULL) == 0);
    for (size_t i = 0; i < FORKS; i++) {
        atomic_store(&openings_left, OPENINGS_EACH);
        descriptors_fork_begins();
        pid_t child = fork();
        if (child == 0) {
            descriptors_close_in_child();
            _exit(count_sockets() > 0);
        }
        descriptors_fork_ended();
        require(child > 0);
        leaking += wait_for_child(child) != 0;
    }
    if (leaking > 0)
        dprintf(STDERR_FILENO, "%zu of %d children kept sockets open\n", leaking, FORKS);
    require(leaking == 0);
}

static void stop_oneself(int signal) {
    (void)signal;
    raise(SIGSTOP);
}

// The child waits for what was being opened at the fork, and is stopped for longer than it has
// patience.
static void stop_waiting_child(void *context) {
    const struct timespec long_time = {0, 300000000};
    const struct itimerval soon = {.it_value = {.tv_usec = 10000}};
    (void)context;
    close_tracked(open_tracked());
    int opening = descriptors_opening(), descriptor = open_socket(), status;
    pid_t child = fork();
    if (child == 0) {
        child_begin();
        // After some processor time of its own: by then it waits.
        signal(SIGPROF, stop_oneself);
        setitimer(ITIMER_PROF, &soon, NULL);
        descriptors_close_in_child();
        _exit(is_open(descriptor));
    }
    require(child > 0);
    require(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    nanosleep(&long_time, NULL);
    descriptors_opened(opening, descriptor, -1);
    kill(child, SIGCONT);
    require(wait_for_child(child) == 0);
}

static void run(void (*test)(void *context)) {
    assert_int_equal(run_in_child(test, NULL), 0);
}

#define TEST(name, function)                                                                       \
    static void name(void **state) {                                                               \
        (void)state;                                                                               \
        run(function);                                                                             \
    }

TEST(closes_what_is_tracked_and_nothing_else, close_only_tracked)
TEST(ignores_numbers_that_are_no_descriptors, ignore_bad_numbers)
TEST(forgets_what_was_closed, forget_closed)
TEST(closes_what_is_just_being_closed, fork_while_closing)
TEST(closes_what_was_closed_during_the_fork, close_while_forking)
TEST(knows_whose_a_number_is_that_was_reused_during_the_fork, reuse_while_forking)
TEST(closes_what_grpc_replaced_during_the_fork, reopen_while_forking)
TEST(closes_what_grpc_replaced_before_the_close_was_noted, reopen_before_the_close_is_noted)
TEST(remembers_until_the_last_fork_has_ended, fork_in_two_threads)
TEST(counts_a_fork_from_before_the_first_descriptor, fork_early)
TEST(keeps_what_the_program_reused_unseen, reuse_behind_the_back)
TEST(closes_ranges, close_ranges)
TEST(lets_children_of_vfork_change_nothing, close_after_vfork)
TEST(closes_those_of_a_child_in_a_grandchild, inherit_twice)
TEST(closes_many, close_many)
TEST(closes_all_under_load, fork_under_load)
TEST(has_patience_while_it_is_stopped, stop_waiting_child)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closes_what_is_tracked_and_nothing_else),
        cmocka_unit_test(ignores_numbers_that_are_no_descriptors),
        cmocka_unit_test(forgets_what_was_closed),
        cmocka_unit_test(closes_what_is_just_being_closed),
        cmocka_unit_test(closes_what_was_closed_during_the_fork),
        cmocka_unit_test(knows_whose_a_number_is_that_was_reused_during_the_fork),
        cmocka_unit_test(closes_what_grpc_replaced_during_the_fork),
        cmocka_unit_test(closes_what_grpc_replaced_before_the_close_was_noted),
        cmocka_unit_test(remembers_until_the_last_fork_has_ended),
        cmocka_unit_test(counts_a_fork_from_before_the_first_descriptor),
        cmocka_unit_test(keeps_what_the_program_reused_unseen),
        cmocka_unit_test(closes_ranges),
        cmocka_unit_test(lets_children_of_vfork_change_nothing),
        cmocka_unit_test(closes_those_of_a_child_in_a_grandchild),
        cmocka_unit_test(closes_many),
        cmocka_unit_test(closes_all_under_load),
        cmocka_unit_test(has_patience_while_it_is_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
