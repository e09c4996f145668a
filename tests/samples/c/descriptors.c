// Which descriptors a child has right after fork(), before it uses gRPC.
//
// descriptors ADDRESS SUBJECT, where SUBJECT is one of
//   kinds        files, sockets, pipes, an epoll set and more of the program's own, opened before
//                and while gRPC runs
//   freed        a number that gRPC has used, closed, and the program got from the kernel
//   close, dup2, dup3, close_range, closefrom
//                a number that the program has taken from gRPC behind its back in that way
//   busy         several threads open, close and duplicate while others call

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "asleep.h"
#include "client.h"
#include "descriptor_list.h"

#define OWN_SIZE 64

struct own {
    int count;
    int numbers[OWN_SIZE];
};

static const char *address;
static struct client client;
static struct answer before;
static struct own own;
static struct descriptor_list at_start;
static struct descriptor_list at_fork;
static struct descriptor_list in_child;

static int add_own(int number) {
    if (number < 0 || own.count == OWN_SIZE) {
        fail("own descriptor");
    }
    own.numbers[own.count++] = number;
    return number;
}

static bool is_own(int number) {
    for (int i = 0; i < own.count; i++) {
        if (own.numbers[i] == number) {
            return true;
        }
    }
    return find_descriptor(&at_start, number) != NULL;
}

static bool is_grpc(const struct descriptor *descriptor) {
    return !is_own(descriptor->number);
}

static bool open_client(void) {
    grpc_init();
    client.channel = open_channel(address, NULL, NULL);
    client.queue = grpc_completion_queue_create_for_pluck(NULL);
    return report_unary("parent", &client, "from the parent", &before);
}

static size_t print_grpc(const char *who, const struct descriptor_list *list) {
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (is_grpc(&list->descriptors[i])) {
            printf("%s grpc %d %s\n", who, list->descriptors[i].number,
                   list->descriptors[i].target);
            count++;
        }
    }
    printf("%s grpc_descriptors %zu\n", who, count);
    return count;
}

// Everything that was the program's at the fork is here, and leads to the same thing.
static bool check_own(const char *who, const struct descriptor_list *list) {
    int missing = 0;
    for (size_t i = 0; i < at_fork.count; i++) {
        const struct descriptor *expected = &at_fork.descriptors[i];
        if (is_grpc(expected)) {
            continue;
        }
        const struct descriptor *found = find_descriptor(list, expected->number);
        if (found == NULL || strcmp(found->target, expected->target) != 0) {
            printf("%s lost %d %s\n", who, expected->number, expected->target);
            missing++;
        }
    }
    printf("%s own_descriptors_lost %d\n", who, missing);
    return missing == 0;
}

static int pipe_ends[2];
static int socket_ends[2];
static int poll_set;
static int event;
static int file;

static bool use_own(const char *who) {
    char byte = 0;
    bool passed =
        write(pipe_ends[1], "p", 1) == 1 && read(pipe_ends[0], &byte, 1) == 1 && byte == 'p';
    passed = write(socket_ends[1], "s", 1) == 1 && read(socket_ends[0], &byte, 1) == 1 &&
             byte == 's' && passed;
    uint64_t one = 1;
    struct epoll_event found;
    passed = write(event, &one, sizeof(one)) == (ssize_t)sizeof(one) && passed;
    passed = epoll_wait(poll_set, &found, 1, 1000) == 1 && found.data.fd == event && passed;
    passed = read(event, &one, sizeof(one)) == (ssize_t)sizeof(one) && passed;
    passed = pread(file, &byte, 1, 0) == 1 && passed;
    return report(who, "own_descriptors_work", passed);
}

static void open_own(void) {
    if (pipe(pipe_ends) != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, socket_ends) != 0) {
        fail("own descriptors");
    }
    for (int i = 0; i < 2; i++) {
        add_own(pipe_ends[i]);
        add_own(socket_ends[i]);
    }
    poll_set = add_own(epoll_create1(EPOLL_CLOEXEC));
    event = add_own(eventfd(0, EFD_CLOEXEC));
    struct epoll_event wanted = {.events = EPOLLIN, .data.fd = event};
    if (epoll_ctl(poll_set, EPOLL_CTL_ADD, event, &wanted) != 0) {
        fail("epoll_ctl");
    }
    file = add_own(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    add_own(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
    sigset_t signals;
    sigemptyset(&signals);
    add_own(signalfd(-1, &signals, SFD_CLOEXEC));
    int listener = add_own(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (listen(listener, 1) != 0) {
        fail("listen");
    }
    struct sockaddr_storage name;
    socklen_t length = sizeof(name);
    getsockname(listener, (struct sockaddr *)&name, &length);
    int connector = add_own(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(connector, (struct sockaddr *)&name, length) != 0) {
        fail("connect");
    }
    add_own(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
    add_own(dup(file));
    add_own(fcntl(file, F_DUPFD_CLOEXEC, 100));
    add_own(dup2(file, 200));
    add_own(dup3(file, 201, O_CLOEXEC));
}

static int child_looks(void *argument) {
    (void)argument;
    list_descriptors(&in_child);
    bool passed = print_grpc("child", &in_child) == 0;
    passed = check_own("child", &in_child) && passed;
    passed = use_own("child") && passed;
    return passed ? 0 : 1;
}

// The same processes, and then the child does use gRPC: what it opens closes nothing else.
static int child_calls(void *argument) {
    (void)argument;
    bool passed = report_child_unary("child", &client, &before);
    list_descriptors(&in_child);
    passed = check_own("child", &in_child) && passed;
    return use_own("child") && passed ? 0 : 1;
}

static bool parent_unchanged(size_t expected) {
    static struct descriptor_list after;
    list_descriptors(&after);
    bool passed = print_grpc("parent", &after) == expected;
    passed = print_difference("parent", "changed", &at_fork, &after) == 0 && passed;
    passed = check_own("parent", &after) && passed;
    return use_own("parent") && passed;
}

static bool run_kinds(void) {
    // Half of them before gRPC has started, the other half while it runs.
    open_own();
    bool passed = open_client();
    add_own(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    add_own(epoll_create1(EPOLL_CLOEXEC));
    add_own(eventfd(0, EFD_CLOEXEC));
    add_own(dup(socket_ends[0]));
    int pipes[2];
    if (pipe2(pipes, O_CLOEXEC) != 0) {
        fail("pipe2");
    }
    add_own(pipes[0]);
    add_own(pipes[1]);
    list_descriptors(&at_fork);
    size_t count = print_grpc("parent", &at_fork);
    passed = count > 0 && passed;
    passed = run_in_child(child_looks, NULL) == 0 && passed;
    passed = parent_unchanged(count) && passed;
    passed = run_in_child(child_calls, NULL) == 0 && passed;
    passed = parent_unchanged(count) && passed;
    return report_parent_again(&client, &before) && passed;
}

static int find_grpc_socket(void) {
    list_descriptors(&at_fork);
    for (size_t i = 0; i < at_fork.count; i++) {
        const struct descriptor *descriptor = &at_fork.descriptors[i];
        if (is_grpc(descriptor) && strncmp(descriptor->target, "socket:", 7) == 0) {
            return descriptor->number;
        }
    }
    fprintf(stderr, "gRPC has no socket\n");
    exit(2);
}

static bool run_freed(void) {
    open_own();
    bool passed = open_client();
    int number = find_grpc_socket();
    // gRPC closes its connection some time after the last user has gone.
    grpc_channel_destroy(client.channel);
    grpc_completion_queue_shutdown(client.queue);
    grpc_completion_queue_destroy(client.queue);
    grpc_shutdown();
    while (fcntl(number, F_GETFD) != -1) {
        usleep(1000);
    }
    int filled;
    do {
        filled = add_own(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    } while (filled < number);
    passed = report("parent", "reused", filled == number) && passed;
    passed = open_client() && passed;
    list_descriptors(&at_fork);
    size_t count = print_grpc("parent", &at_fork);
    passed = run_in_child(child_looks, NULL) == 0 && passed;
    passed = parent_unchanged(count) && passed;
    passed = run_in_child(child_calls, NULL) == 0 && passed;
    return report_parent_again(&client, &before) && passed;
}

// Puts a file of the program where gRPC believes its socket to be.
static void take_number(const char *way, int number) {
    if (strcmp(way, "dup2") == 0) {
        dup2(file, number);
    } else if (strcmp(way, "dup3") == 0) {
        dup3(file, number, O_CLOEXEC);
    } else {
        if (strcmp(way, "close") == 0) {
            close(number);
        }
#ifdef HAVE_CLOSE_RANGE
        if (strcmp(way, "close_range") == 0) {
            close_range((unsigned int)number, (unsigned int)number, 0);
        }
#endif
#ifdef HAVE_CLOSEFROM
        if (strcmp(way, "closefrom") == 0) {
            // Everything above is gRPC's: the program has its own below.
            closefrom(number);
        }
#endif
        int opened;
        do {
            opened = add_own(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
        } while (opened < number);
    }
    add_own(number);
}

static bool is_way(const char *way) {
    static const char *const absent[] = {
#ifndef HAVE_CLOSE_RANGE
        "close_range",
#endif
#ifndef HAVE_CLOSEFROM
        "closefrom",
#endif
        NULL,
    };
    for (size_t i = 0; absent[i] != NULL; i++) {
        if (strcmp(way, absent[i]) == 0) {
            printf("parent %s is absent from this libc\n", way);
            return false;
        }
    }
    static const char *const ways[] = {"close", "dup2", "dup3", "close_range", "closefrom"};
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        if (strcmp(way, ways[i]) == 0) {
            return true;
        }
    }
    fprintf(stderr, "descriptors: no subject %s\n", way);
    return false;
}

static bool run_taken(const char *way) {
    if (!is_way(way)) {
        return false;
    }
    open_own();
    if (strcmp(way, "closefrom") == 0) {
        // Its own must lie below gRPC's, so the high ones go.
        close(100);
        close(200);
        close(201);
        own.count -= 3;
    }
    bool passed = open_client();
    // A thread of gRPC's that still acknowledges something would find the program's file in its
    // socket's place, and close it.
    await_others_asleep();
    int number = find_grpc_socket();
    take_number(way, number);
    list_descriptors(&at_fork);
    print_grpc("parent", &at_fork);
    passed = run_in_child(child_looks, NULL) == 0 && passed;
    static struct descriptor_list after;
    list_descriptors(&after);
    return check_own("parent", &after) && use_own("parent") && passed;
}

static atomic_bool stop;
static atomic_ulong rounds;
static atomic_ulong broken;

static void *open_and_close(void *argument) {
    (void)argument;
    while (!atomic_load(&stop)) {
        int opened = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        int copy = dup(opened);
        int ends[2] = {-1, -1};
        bool passed = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0;
        passed = dup2(copy, ends[0]) == ends[0] && passed;
        passed = close(copy) == 0 && close(ends[0]) == 0 && passed;
        passed = close(ends[1]) == 0 && close(opened) == 0 && passed;
        atomic_fetch_add(&rounds, 1);
        atomic_fetch_add(&broken, passed ? 0 : 1);
    }
    return NULL;
}

static void *open_and_close_channels(void *argument) {
    (void)argument;
    while (!atomic_load(&stop)) {
        grpc_arg own_connection = {.type = GRPC_ARG_INTEGER,
                                   .key = (char *)"grpc.use_local_subchannel_pool",
                                   .value.integer = 1};
        grpc_channel_args arguments = {1, &own_connection};
        struct client other = {.channel = open_channel(address, NULL, &arguments),
                               .queue = grpc_completion_queue_create_for_pluck(NULL)};
        struct answer answer;
        bool passed = call_unary(&other, "short-lived", &answer);
        grpc_channel_destroy(other.channel);
        grpc_completion_queue_shutdown(other.queue);
        grpc_completion_queue_destroy(other.queue);
        atomic_fetch_add(&rounds, 1);
        atomic_fetch_add(&broken, passed ? 0 : 1);
    }
    return NULL;
}

// The threads' own may be anything at the moment of the fork, but those that were open before
// and the sockets that lead to the server can be told apart.
static int child_of_busy(void *argument) {
    (void)argument;
    list_descriptors(&in_child);
    bool passed = check_own("child", &in_child);
    int connections = 0;
    for (size_t i = 0; i < in_child.count; i++) {
        const struct descriptor *descriptor = &in_child.descriptors[i];
        struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};
        socklen_t length = sizeof(peer);
        bool connected = getpeername(descriptor->number, (struct sockaddr *)&peer, &length) == 0 &&
                         peer.ss_family != AF_UNIX;
        if (is_grpc(descriptor) && (connected || strstr(descriptor->target, "event") != NULL)) {
            printf("child grpc %d %s\n", descriptor->number, descriptor->target);
            connections++;
        }
    }
    printf("child grpc_descriptors %d\n", connections);
    return use_own("child") && passed && connections == 0 ? 0 : 1;
}

static bool run_busy(void) {
    open_own();
    bool passed = open_client();
    list_descriptors(&at_fork);
    // Only the program's are compared.
    size_t kept = 0;
    for (size_t i = 0; i < at_fork.count; i++) {
        if (!is_grpc(&at_fork.descriptors[i])) {
            at_fork.descriptors[kept++] = at_fork.descriptors[i];
        }
    }
    at_fork.count = kept;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, i % 2 == 0 ? open_and_close : open_and_close_channels,
                       NULL);
    }
    for (int i = 0; i < 50 && passed; i++) {
        passed = run_in_child(child_of_busy, NULL) == 0;
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    printf("parent broken %lu\n", atomic_load(&broken));
    passed = atomic_load(&broken) == 0 && passed;
    passed = use_own("parent") && passed;
    return report_parent_again(&client, &before) && passed;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: descriptors ADDRESS SUBJECT\n");
        return 2;
    }
    address = argv[1];
    const char *subject = argv[2];
    setvbuf(stdout, NULL, _IOLBF, 0);
    list_descriptors(&at_start);
    bool passed;
    if (strcmp(subject, "kinds") == 0) {
        passed = run_kinds();
    } else if (strcmp(subject, "freed") == 0) {
        passed = run_freed();
    } else if (strcmp(subject, "busy") == 0) {
        passed = run_busy();
    } else {
        passed = run_taken(subject);
    }
    // gRPC's own teardown would run into what the program has taken from it.
    fflush(NULL);
    _exit(passed ? 0 : 1);
}
