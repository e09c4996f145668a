// The ways in which a program gets a child process.
//
// process_forms ADDRESS FORM, where FORM is one of those in the table at the end.
// process_forms list NUMBER...   lists the open descriptors; fails if they are not those and
//                                the standard ones

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"
#include "descriptor_list.h"

extern char **environ;

static struct client client;
static struct answer before;
static const char *address;

static bool open_client(void) {
    grpc_init();
    client.channel = open_channel(address, NULL, NULL);
    client.queue = grpc_completion_queue_create_for_pluck(NULL);
    return report_unary("parent", &client, "from the parent", &before);
}

static int call_in_child(void) {
    bool passed = report_child_unary("child", &client, &before);
    fflush(NULL);
    return passed ? 0 : 1;
}

static bool child_succeeded(pid_t child) {
    int status = wait_for(child);
    printf("child exit %d\n", status);
    return status == 0;
}

// Copies what comes from another process until that has ended; true if it said that it passed.
static bool relay(int descriptor) {
    FILE *stream = fdopen(descriptor, "r");
    char line[1024];
    bool passed = false;
    while (fgets(line, sizeof(line), stream) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        printf("%s\n", line);
        passed = strcmp(line, "child result 0") == 0 || passed;
    }
    fclose(stream);
    return passed;
}

static bool run_fork(void) {
    pid_t child = fork();
    if (child == 0) {
        _exit(call_in_child());
    }
    return child_succeeded(child);
}

// The process that has the connection ends in daemon(), so all of it happens in a process of its
// own, made before there was any gRPC.
static bool run_daemon(int keep_directory, int keep_streams) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        fail("pipe2");
    }
    fflush(NULL);
    pid_t starter = fork();
    if (starter == 0) {
        close(ends[0]);
        if (!open_client()) {
            _exit(1);
        }
        fflush(NULL);
        if (daemon(keep_directory, keep_streams) != 0) {
            _exit(1);
        }
        dup2(ends[1], STDOUT_FILENO);
        int result = call_in_child();
        printf("child result %d\n", result);
        fflush(NULL);
        _exit(result);
    }
    close(ends[1]);
    bool passed = relay(ends[0]);
    return child_succeeded(starter) && passed;
}

static bool run_daemon_default(void) {
    return run_daemon(0, 0);
}

static bool run_daemon_keeping(void) {
    return run_daemon(1, 1);
}

static bool run_forkpty(void) {
    int terminal;
    pid_t child = forkpty(&terminal, NULL, NULL, NULL);
    if (child == -1) {
        fail("forkpty");
    }
    if (child == 0) {
        int result = call_in_child();
        printf("child result %d\n", result);
        fflush(NULL);
        _exit(result);
    }
    bool passed = relay(terminal);
    return child_succeeded(child) && passed;
}

static bool run_double_fork_with(bool between) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        fail("pipe2");
    }
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        struct answer parent = before;
        if (between && !report_unary("between", &client, "between", &before)) {
            _exit(1);
        }
        fflush(NULL);
        pid_t grandchild = fork();
        if (grandchild != 0) {
            _exit(grandchild == -1 ? 1 : 0);
        }
        dup2(ends[1], STDOUT_FILENO);
        bool passed = report_child_unary("child", &client, &before);
        struct answer answer;
        passed = call_unary(&client, "from the grandchild", &answer) &&
                 strcmp(answer.reply.peer, parent.reply.peer) != 0 && passed;
        printf("child result %d\n", passed ? 0 : 1);
        fflush(NULL);
        _exit(0);
    }
    close(ends[1]);
    bool passed = child_succeeded(child);
    return relay(ends[0]) && passed;
}

static bool run_double_fork(void) {
    return run_double_fork_with(false);
}

static bool run_double_fork_used(void) {
    return run_double_fork_with(true);
}

static bool run_underscore_fork(void) {
#ifdef HAVE__FORK
    pid_t child = _Fork();
    if (child == 0) {
        _exit(call_in_child());
    }
    return child_succeeded(child);
#else
    printf("parent _Fork absent\n");
    return true;
#endif
}

#ifdef HAVE__FORK
static void *call_in_thread(void *context) {
    atomic_int *ready = context;
    struct client own = client;
    struct answer answer;
    // Neither waits for the other asleep.
    atomic_fetch_add(ready, 1);
    while (atomic_load(ready) < 2) {
        sched_yield();
    }
    own.queue = grpc_completion_queue_create_for_pluck(NULL);
    bool passed = call_unary(&own, "from a thread", &answer) &&
                  strcmp(answer.reply.peer, before.reply.peer) != 0;
    return passed ? context : NULL;
}

// Two threads make the first calls at once.
static int call_in_two_threads(void) {
    pthread_t threads[2];
    atomic_int ready = 0;
    int failed = 0;
    for (int i = 0; i < 2; i++) {
        if (pthread_create(&threads[i], NULL, call_in_thread, &ready) != 0) {
            fail("pthread_create");
        }
    }
    for (int i = 0; i < 2; i++) {
        void *passed;
        pthread_join(threads[i], &passed);
        failed += passed == NULL ? 1 : 0;
    }
    return failed == 0 ? 0 : 1;
}
#endif

static bool run_underscore_fork_threads(void) {
#ifdef HAVE__FORK
    for (int i = 0; i < 100; i++) {
        pid_t child = _Fork();
        if (child == 0) {
            _exit(call_in_two_threads());
        }
        int status = wait_for(child);
        if (status != 0) {
            printf("child %d of 100 exit %d\n", i, status);
            return false;
        }
    }
    return true;
#else
    printf("parent _Fork absent\n");
    return true;
#endif
}

static bool run_clone_with(unsigned long flags) {
    pid_t parent = getpid();
    pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD | flags, NULL, NULL, NULL, NULL);
    if (child == -1) {
        fail("clone");
    }
    if (child == 0) {
        printf("child pid %s\n", getpid() == parent ? "same" : "other");
        _exit(call_in_child());
    }
    return child_succeeded(child);
}

static bool run_clone(void) {
    return run_clone_with(0);
}

// By process 1 of a container, say, whose child has the same number.
static bool run_clone_namespace(void) {
    return run_clone_with(CLONE_NEWPID);
}

// The program's own descriptors, of the kinds that gRPC has, too.  They survive an exec.
#define OWN_DESCRIPTORS 6

static int own_descriptors[OWN_DESCRIPTORS];
static char own_numbers[OWN_DESCRIPTORS][16];
static char *list_arguments[OWN_DESCRIPTORS + 3];
static char self[4096];

static void open_own_descriptors(void) {
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0) {
        fail("socketpair");
    }
    own_descriptors[0] = open("/dev/null", O_RDONLY);
    own_descriptors[1] = sockets[0];
    own_descriptors[2] = sockets[1];
    own_descriptors[3] = epoll_create1(0);
    own_descriptors[4] = eventfd(0, 0);
    own_descriptors[5] = socket(AF_INET, SOCK_STREAM, 0);
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (length < 0) {
        fail("/proc/self/exe");
    }
    self[length] = '\0';
    list_arguments[0] = self;
    list_arguments[1] = "list";
    for (int i = 0; i < OWN_DESCRIPTORS; i++) {
        if (own_descriptors[i] < 0) {
            fail("own descriptor");
        }
        snprintf(own_numbers[i], sizeof(own_numbers[i]), "%d", own_descriptors[i]);
        list_arguments[i + 2] = own_numbers[i];
    }
}

static char *list_command(void) {
    char *command = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&command, &length);
    for (char **argument = list_arguments; *argument != NULL; argument++) {
        fprintf(stream, "%s ", *argument);
    }
    fclose(stream);
    return command;
}

static int list(int argc, char **argv) {
    static struct descriptor_list open_now;
    list_descriptors(&open_now);
    bool passed = true;
    for (size_t i = 0; i < open_now.count; i++) {
        const struct descriptor *descriptor = &open_now.descriptors[i];
        bool known = descriptor->number <= STDERR_FILENO;
        for (int j = 2; j < argc; j++) {
            known = atoi(argv[j]) == descriptor->number || known;
        }
        if (!known) {
            printf("exec unknown %d %s\n", descriptor->number, descriptor->target);
            passed = false;
        }
    }
    int missing = 0;
    for (int i = 2; i < argc; i++) {
        missing += find_descriptor(&open_now, atoi(argv[i])) == NULL ? 1 : 0;
    }
    printf("exec missing %d\n", missing);
    printf("exec descriptors %s\n", passed && missing == 0 ? "ok" : "FAILED");
    return passed && missing == 0 ? 0 : 1;
}

static bool run_fork_exec(void) {
    pid_t child = fork();
    if (child == 0) {
        execv(self, list_arguments);
        _exit(127);
    }
    return child_succeeded(child);
}

// Without an exec to close what is marked close-on-exec: descriptors that gRPC forgets to mark
// would look like this.
static bool exec_unmarked(pid_t child) {
    if (child == 0) {
        for (int number = 3; number < 1024; number++) {
            int flags = fcntl(number, F_GETFD);
            if (flags != -1) {
                fcntl(number, F_SETFD, flags & ~FD_CLOEXEC);
            }
        }
        execv(self, list_arguments);
        _exit(127);
    }
    return child_succeeded(child);
}

static bool run_fork_exec_unmarked(void) {
    return exec_unmarked(fork());
}

static bool run_underscore_fork_exec_unmarked(void) {
#ifdef HAVE__FORK
    return exec_unmarked(_Fork());
#else
    printf("parent _Fork absent\n");
    return true;
#endif
}

static bool run_vfork_exec(void) {
    pid_t child = vfork();
    if (child == 0) {
        execv(self, list_arguments);
        _exit(127);
    }
    return child_succeeded(child);
}

static bool run_posix_spawn(void) {
    pid_t child;
    int error = posix_spawn(&child, self, NULL, NULL, list_arguments, environ);
    if (error != 0) {
        errno = error;
        fail("posix_spawn");
    }
    return child_succeeded(child);
}

static bool run_system(void) {
    char *command = list_command();
    int status = system(command);
    free(command);
    printf("child exit %d\n", WEXITSTATUS(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool run_popen(void) {
    char *command = list_command();
    FILE *stream = popen(command, "r");
    free(command);
    if (stream == NULL) {
        fail("popen");
    }
    char line[1024];
    while (fgets(line, sizeof(line), stream) != NULL) {
        fputs(line, stdout);
    }
    int status = pclose(stream);
    printf("child exit %d\n", WEXITSTATUS(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int shared_memory_child(void *argument) {
    *(int *)argument = 7;
    return 0;
}

// A process that shares the memory, as vfork's does, but runs a function.
static bool run_clone_vm(void) {
    static char stack[65536] __attribute__((aligned(16)));
    static int written;
    pid_t child = clone(shared_memory_child, stack + sizeof(stack),
                        CLONE_VM | CLONE_VFORK | SIGCHLD, &written);
    if (child == -1) {
        fail("clone");
    }
    return child_succeeded(child) && report("parent", "shared_memory", written == 7);
}

static const struct {
    const char *name;
    bool (*run)(void);
    // The parent goes on and calls again.
    bool parent_stays;
} forms[] = {
    {"fork", run_fork, true},
    {"daemon", run_daemon_default, false},
    {"daemon-keeping", run_daemon_keeping, false},
    {"forkpty", run_forkpty, true},
    {"double-fork", run_double_fork, true},
    {"double-fork-used", run_double_fork_used, true},
    {"underscore-fork", run_underscore_fork, true},
    {"underscore-fork-threads", run_underscore_fork_threads, true},
    {"clone", run_clone, true},
    {"clone-namespace", run_clone_namespace, true},
    {"fork-exec", run_fork_exec, true},
    {"fork-exec-unmarked", run_fork_exec_unmarked, true},
    {"underscore-fork-exec-unmarked", run_underscore_fork_exec_unmarked, true},
    {"vfork-exec", run_vfork_exec, true},
    {"posix-spawn", run_posix_spawn, true},
    {"system", run_system, true},
    {"popen", run_popen, true},
    {"clone-vm", run_clone_vm, true},
};

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc >= 2 && strcmp(argv[1], "list") == 0) {
        return list(argc, argv);
    }
    if (argc != 3) {
        fprintf(stderr, "usage: process_forms ADDRESS FORM\n");
        return 2;
    }
    address = argv[1];
    // As a daemon does: what it was started with is not for its children.
    for (int number = STDERR_FILENO + 1; number < 1024; number++) {
        close(number);
    }
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (strcmp(argv[2], forms[i].name) != 0) {
            continue;
        }
        if (!forms[i].parent_stays) {
            return forms[i].run() ? 0 : 1;
        }
        bool passed = open_client();
        open_own_descriptors();
        fflush(NULL);
        passed = forms[i].run() && passed;
        passed = report_parent_again(&client, &before) && passed;
        grpc_channel_destroy(client.channel);
        grpc_completion_queue_shutdown(client.queue);
        grpc_completion_queue_destroy(client.queue);
        grpc_shutdown();
        return passed ? 0 : 1;
    }
    fprintf(stderr, "process_forms: no form %s\n", argv[2]);
    return 2;
}
