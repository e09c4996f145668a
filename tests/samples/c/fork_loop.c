// Forks in a loop while threads call.
//
// fork_loop ADDRESS FORKS THREADS [--tls DIR] [--channel new|inherited|both] [--exit]
//           [--give-up FAILURES] [--limit SECONDS]
//
// Every child makes one call, with --channel both in turn on a new channel and queue and on the
// inherited ones, and has to end within the limit.  The last line is
//   forks N children_failed N parent_calls N parent_failed N

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

#define MAXIMUM_BACKTRACES 3
#define MAXIMUM_REPORTS 10

enum channels { CHANNELS_BOTH, CHANNELS_NEW, CHANNELS_INHERITED };

static struct {
    const char *address;
    const char *certificates;
    long forks;
    long threads;
    long give_up;
    int limit_seconds;
    enum channels channels;
    bool exit;
} options = {.limit_seconds = 30};

static grpc_channel *channel;
// The connection of the parent's one channel.
static char parent_peer[REPLY_PEER_SIZE];
static atomic_bool stop;
static atomic_int reports;

struct caller {
    pthread_t thread;
    struct client client;
    unsigned long calls;
    unsigned long failed;
};

static void *call_until_stopped(void *argument) {
    struct caller *caller = argument;
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        struct answer answer;
        bool passed = call_unary(&caller->client, "from a thread", &answer);
        // A new connection would mean that a child has broken the old one.
        bool same = passed && strcmp(answer.reply.peer, parent_peer) == 0;
        caller->calls++;
        if (!same) {
            caller->failed++;
            if (atomic_fetch_add(&reports, 1) < MAXIMUM_REPORTS) {
                fprintf(stderr, "parent call: status %d %s peer %s\n", (int)answer.status,
                        answer.details, answer.reply.peer);
            }
        }
    }
    return NULL;
}

static int call_in_child(long number, const struct client *inherited) {
    bool new_channel =
        options.channels == CHANNELS_NEW || (options.channels == CHANNELS_BOTH && number % 2 == 0);
    struct client client = *inherited;
    if (new_channel) {
        client.channel = open_channel(options.address, options.certificates, NULL);
        client.queue = grpc_completion_queue_create_for_pluck(NULL);
    }
    struct answer answer;
    bool passed = call_unary(&client, "from a child", &answer);
    bool own = passed && strcmp(answer.reply.peer, parent_peer) != 0;
    if (!own) {
        fprintf(stderr, "child %ld (%s channel): status %d %s peer %s\n", number,
                new_channel ? "new" : "inherited", (int)answer.status, answer.details,
                answer.reply.peer);
    }
    return own ? 0 : 1;
}

static void print_backtrace(pid_t process) {
    static int printed;
    if (printed++ >= MAXIMUM_BACKTRACES) {
        return;
    }
    char number[16];
    snprintf(number, sizeof(number), "%d", (int)process);
    char *arguments[] = {"gdb", "-nx", "-p", number, "-batch", "-ex", "thread apply all bt", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    // gdb is no program under test.
    char *environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "DEBUGINFOD_URLS=", NULL};
    pid_t gdb;
    int error = posix_spawnp(&gdb, "gdb", &actions, NULL, arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    if (error == 0) {
        waitpid(gdb, NULL, 0);
    } else {
        fprintf(stderr, "gdb: %s\n", strerror(error));
    }
}

static bool child_ended(pid_t child, int milliseconds) {
    int descriptor = (int)syscall(SYS_pidfd_open, child, 0U);
    if (descriptor < 0) {
        fail("pidfd_open");
    }
    struct pollfd wait = {.fd = descriptor, .events = POLLIN};
    int ready;
    do {
        ready = poll(&wait, 1, milliseconds);
    } while (ready < 0 && errno == EINTR);
    close(descriptor);
    return ready > 0;
}

static bool supervise(pid_t child, long number) {
    if (!child_ended(child, options.limit_seconds * 1000)) {
        fprintf(stderr, "child %ld: process %d has not ended within %d s\n", number, (int)child,
                options.limit_seconds);
        print_backtrace(child);
        kill(child, SIGKILL);
        wait_for(child);
        return false;
    }
    int status = wait_for(child);
    if (status > 128) {
        fprintf(stderr, "child %ld: signal %d\n", number, status - 128);
    }
    return status == 0;
}

static double milliseconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static bool parse(int argc, char **argv) {
    static const struct option names[] = {
        {"tls", required_argument, NULL, 't'},   {"channel", required_argument, NULL, 'c'},
        {"exit", no_argument, NULL, 'e'},        {"give-up", required_argument, NULL, 'g'},
        {"limit", required_argument, NULL, 'l'}, {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 't':
            options.certificates = optarg;
            break;
        case 'c':
            if (strcmp(optarg, "new") == 0) {
                options.channels = CHANNELS_NEW;
            } else if (strcmp(optarg, "inherited") == 0) {
                options.channels = CHANNELS_INHERITED;
            } else if (strcmp(optarg, "both") != 0) {
                return false;
            }
            break;
        case 'e':
            options.exit = true;
            break;
        case 'g':
            options.give_up = atol(optarg);
            break;
        case 'l':
            options.limit_seconds = atoi(optarg);
            break;
        default:
            return false;
        }
    }
    if (argc - optind != 3) {
        return false;
    }
    options.address = argv[optind];
    options.forks = atol(argv[optind + 1]);
    options.threads = atol(argv[optind + 2]);
    return options.forks > 0 && options.threads >= 0 && options.limit_seconds > 0;
}

int main(int argc, char **argv) {
    if (!parse(argc, argv)) {
        fprintf(stderr, "usage: fork_loop ADDRESS FORKS THREADS [--tls DIR] [--exit]\n"
                        "                 [--channel new|inherited|both] [--give-up FAILURES]\n"
                        "                 [--limit SECONDS]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    grpc_init();
    channel = open_channel(options.address, options.certificates, NULL);
    struct client client = {.channel = channel,
                            .queue = grpc_completion_queue_create_for_pluck(NULL)};
    struct answer answer;
    if (!report_unary("parent", &client, "from the parent", &answer)) {
        return 1;
    }
    snprintf(parent_peer, sizeof(parent_peer), "%s", answer.reply.peer);

    struct caller *callers = calloc((size_t)options.threads + 1, sizeof(*callers));
    for (long i = 0; i < options.threads; i++) {
        callers[i].client = (struct client){.channel = channel,
                                            .queue = grpc_completion_queue_create_for_pluck(NULL)};
        if (pthread_create(&callers[i].thread, NULL, call_until_stopped, &callers[i]) != 0) {
            fail("pthread_create");
        }
    }

    long forks = 0;
    long children_failed = 0;
    double slowest = 0;
    while (forks < options.forks && (options.give_up == 0 || children_failed < options.give_up)) {
        fflush(NULL);
        double start = milliseconds_now();
        pid_t child = fork();
        if (child == -1) {
            fail("fork");
        }
        if (child == 0) {
            int result = call_in_child(forks, &client);
            if (options.exit) {
                exit(result);
            }
            _exit(result);
        }
        children_failed += supervise(child, forks) ? 0 : 1;
        double duration = milliseconds_now() - start;
        slowest = duration > slowest ? duration : slowest;
        forks++;
    }

    atomic_store(&stop, true);
    unsigned long calls = 0;
    unsigned long failed = 0;
    for (long i = 0; i < options.threads; i++) {
        pthread_join(callers[i].thread, NULL);
        calls += callers[i].calls;
        failed += callers[i].failed;
        grpc_completion_queue_shutdown(callers[i].client.queue);
        grpc_completion_queue_destroy(callers[i].client.queue);
    }
    free(callers);
    // The forking thread's own connection, also when there are no others.
    calls++;
    if (!call_unary(&client, "at the end", &answer) ||
        strcmp(answer.reply.peer, parent_peer) != 0) {
        failed++;
        fprintf(stderr, "parent call: status %d %s peer %s\n", (int)answer.status, answer.details,
                answer.reply.peer);
    }
    grpc_channel_destroy(channel);
    grpc_completion_queue_shutdown(client.queue);
    grpc_completion_queue_destroy(client.queue);
    grpc_shutdown();
    printf("slowest_child_milliseconds %.0f\n", slowest);
    printf("forks %ld children_failed %ld parent_calls %lu parent_failed %lu\n", forks,
           children_failed, calls, failed);
    return children_failed == 0 && failed == 0 ? 0 : 1;
}
