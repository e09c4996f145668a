// A service of the old school: it opens its channel, calls, and forks workers that call through
// what they inherited.
//
// legacy_daemon ADDRESS KIND STATE [PID FILE]
//
//   KIND   forking: goes into the background when its first worker has called (systemd.service(5));
//          simple: stays; notify: stays and tells systemd when the first worker has called
//   STATE  a file to which each worker writes a line `worker PID ok` for its first call, and the
//          master `master ended`
//
// SIGHUP: a new worker takes the place of the present one. SIGTERM: both end. If a worker fails the
// master fails.

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"

static struct client client;
static struct answer answer;
static const char *state_file;

static void write_state(const char *who, int number, const char *what) {
    int descriptor = open(state_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor < 0)
        fail(state_file);
    dprintf(descriptor, "%s %d %s\n", who, number, what);
    close(descriptor);
}

// sd_notify(3) without its library.
static void notify(const char *message) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path == NULL || strlen(path) >= sizeof(address.sun_path))
        return;
    int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    memcpy(address.sun_path, path, strlen(path));
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    if (sendto(descriptor, message, strlen(message), 0, (struct sockaddr *)&address,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))) < 0)
        fail("sendto");
    close(descriptor);
}

// Calls for ever; what fails ends it.
static void work(int ready) {
    struct answer own;
    signal(SIGHUP, SIG_IGN);
    if (!report_child_unary("worker", &client, &answer))
        _exit(1);
    write_state("worker", (int)getpid(), "ok");
    if (write(ready, "1", 1) != 1)
        _exit(1);
    close(ready);
    for (;;) {
        if (!call_unary(&client, "again", &own))
            _exit(1);
        usleep(20000);
    }
}

// Starts a worker and waits for its first call.
static pid_t start_worker(void) {
    int ends[2];
    char byte;
    sigset_t none;
    sigemptyset(&none);
    if (pipe2(ends, O_CLOEXEC) != 0)
        fail("pipe2");
    fflush(NULL);
    pid_t worker = fork();
    if (worker == 0) {
        sigprocmask(SIG_SETMASK, &none, NULL);
        work(ends[1]);
    }
    close(ends[1]);
    if (read(ends[0], &byte, 1) != 1) {
        fprintf(stderr, "the worker has failed\n");
        kill(worker, SIGKILL);
        exit(1);
    }
    close(ends[0]);
    return worker;
}

static void end_worker(pid_t worker) {
    int status;
    kill(worker, SIGTERM);
    waitpid(worker, &status, 0);
}

static int supervise(pid_t worker, const sigset_t *signals) {
    for (;;) {
        siginfo_t info;
        int signal = sigwaitinfo(signals, &info);
        if (signal == SIGTERM) {
            end_worker(worker);
            // The master's own connection is as good as ever.
            bool passed = report_parent_again(&client, &answer);
            write_state("master", (int)getpid(), passed ? "ended" : "failed");
            return passed ? 0 : 1;
        }
        if (signal == SIGHUP) {
            notify("RELOADING=1");
            pid_t next = start_worker();
            end_worker(worker);
            worker = next;
            notify("READY=1");
        } else if (signal == SIGCHLD && waitpid(worker, NULL, WNOHANG) == worker) {
            fprintf(stderr, "the worker has ended\n");
            return 1;
        }
    }
}

static void leave(const char *pid_file, int ready) {
    FILE *file = fopen(pid_file, "w");
    if (file == NULL)
        fail(pid_file);
    fprintf(file, "%d\n", (int)getpid());
    fclose(file);
    if (write(ready, "1", 1) != 1)
        exit(1);
    close(ready);
}

// The first process ends when the daemon is ready, with success, or with the daemon.
static int enter_background(void) {
    int ends[2];
    char byte;
    if (pipe2(ends, O_CLOEXEC) != 0)
        fail("pipe2");
    fflush(NULL);
    pid_t child = fork();
    if (child > 0) {
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) == 1 ? 0 : 1);
    }
    setsid();
    if (fork() > 0)
        _exit(0);
    close(ends[0]);
    return ends[1];
}

int main(int count, char **arguments) {
    sigset_t signals;
    int ready = -1;
    if (count < 4)
        return 2;
    sigemptyset(&signals);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    state_file = arguments[3];
    grpc_init();
    client.channel = open_channel(arguments[1], NULL, NULL);
    client.queue = grpc_completion_queue_create_for_pluck(NULL);
    if (!report_unary("first", &client, "before the fork", &answer))
        return 1;
    if (strcmp(arguments[2], "forking") == 0) {
        const struct answer before = answer;
        ready = enter_background();
        if (!report_child_unary("daemon", &client, &before) ||
            !report_unary("master", &client, "in the background", &answer))
            return 1;
    }
    pid_t worker = start_worker();
    if (ready >= 0)
        leave(arguments[4], ready);
    notify("READY=1");
    return supervise(worker, &signals);
}
