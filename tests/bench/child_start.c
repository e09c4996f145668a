// child_start ADDRESS: the time from fork() until the child's first call through an inherited
// channel has been answered, against the time from exec until a fresh process has done its first
// call.  The fresh process runs without what is preloaded here.

#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client.h"
#include "measure.h"

extern char **environ;

static bool first_call(grpc_channel *channel) {
    struct client client = {
        .channel = channel,
        .queue = grpc_completion_queue_create_for_pluck(NULL),
    };
    struct answer answer;
    bool passed = call_unary(&client, "first", &answer);
    if (!passed) {
        fprintf(stderr, "first call: %s\n", answer.details);
    }
    return passed;
}

// Prints when the answer came, by the clock that all processes share.
static int run_fresh(const char *address) {
    grpc_init();
    bool passed = first_call(open_channel(address, NULL, NULL));
    int64_t answered = now_nanoseconds();
    if (write(STDOUT_FILENO, &answered, sizeof(answered)) != sizeof(answered)) {
        passed = false;
    }
    _exit(passed ? 0 : 1);
}

static int64_t time_fork(grpc_channel *channel, volatile int64_t *answered) {
    int64_t before = now_nanoseconds();
    pid_t child = fork();
    if (child == -1) {
        fail("fork");
    }
    if (child == 0) {
        // Without the shim the call may wait for ever.
        alarm(10);
        bool passed = first_call(channel);
        *answered = now_nanoseconds();
        _exit(passed ? 0 : 1);
    }
    return wait_for(child) == 0 ? *answered - before : -1;
}

static int64_t time_exec(const char *program, const char *address) {
    static char *no_preload[4096];
    size_t kept = 0;
    for (char **entry = environ; *entry != NULL && kept < 4095; entry++) {
        if (strncmp(*entry, "LD_PRELOAD=", strlen("LD_PRELOAD=")) != 0) {
            no_preload[kept++] = *entry;
        }
    }
    no_preload[kept] = NULL;

    int ends[2];
    if (pipe(ends) == -1) {
        fail("pipe");
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    char *arguments[] = {(char *)program, "--fresh", (char *)address, NULL};
    pid_t child;
    int64_t before = now_nanoseconds();
    errno = posix_spawn(&child, program, &actions, NULL, arguments, no_preload);
    if (errno != 0) {
        fail(program);
    }
    close(ends[1]);
    int64_t answered = -1;
    bool told = read(ends[0], &answered, sizeof(answered)) == sizeof(answered);
    close(ends[0]);
    posix_spawn_file_actions_destroy(&actions);
    return wait_for(child) == 0 && told ? answered - before : -1;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--fresh") == 0) {
        return run_fresh(argv[2]);
    }
    if (argc != 2) {
        fprintf(stderr, "usage: %s ADDRESS\n", argv[0]);
        return 2;
    }
    volatile int64_t *answered =
        mmap(NULL, sizeof(*answered), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (answered == MAP_FAILED) {
        fail("mmap");
    }
    grpc_init();
    grpc_channel *channel = open_channel(argv[1], NULL, NULL);
    if (!first_call(channel)) {
        return 1;
    }
    struct samples samples;
    while (next_burst(&samples, 2)) {
        for (size_t i = 0; i < samples.count; i++) {
            int64_t forked = time_fork(channel, answered);
            int64_t executed = time_exec("/proc/self/exe", argv[1]);
            if (forked < 0 || executed < 0) {
                fprintf(stderr, "the %s process failed\n", forked < 0 ? "forked" : "fresh");
                exit(1);
            }
            samples.values[2 * i] = forked;
            samples.values[2 * i + 1] = executed;
        }
        finish_burst(&samples);
    }
    // As a program that has no use for an orderly end.
    _exit(0);
}
