// A program without gRPC: files, sockets, threads and processes.  What it prints is the same at
// every run.
//
// no_grpc

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4
#define ROUNDS 2000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long rounds;

static void *open_and_close(void *argument) {
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        int file = open("/dev/null", O_RDWR | O_CLOEXEC);
        int copy = dup(file);
        int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int pair[2];
        bool passed = socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0;
        int event = eventfd(1, EFD_CLOEXEC);
        int poll_set = epoll_create1(EPOLL_CLOEXEC);
        struct epoll_event wanted = {.events = EPOLLIN, .data.fd = event};
        passed = epoll_ctl(poll_set, EPOLL_CTL_ADD, event, &wanted) == 0 && passed;
        struct epoll_event found;
        passed = epoll_wait(poll_set, &found, 1, -1) == 1 && found.data.fd == event && passed;
        passed = write(pair[0], "x", 1) == 1 && passed;
        char byte;
        passed = read(pair[1], &byte, 1) == 1 && byte == 'x' && passed;
        int descriptors[] = {file, copy, tcp, pair[0], pair[1], event, poll_set};
        for (size_t j = 0; j < sizeof(descriptors) / sizeof(descriptors[0]); j++) {
            passed = close(descriptors[j]) == 0 && passed;
        }
        pthread_mutex_lock(&lock);
        rounds += passed ? 1 : 0;
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static int count_children(void) {
    int succeeded = 0;
    for (int i = 0; i < 50; i++) {
        pid_t child = fork();
        if (child == 0) {
            int file = open("/dev/null", O_RDONLY);
            _exit(file >= 0 && close(file) == 0 ? 0 : 1);
        }
        int status;
        if (child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
            WEXITSTATUS(status) == 0) {
            succeeded++;
        }
    }
    return succeeded;
}

static void print_error(const char *what, int result) {
    printf("%s %d %s\n", what, result, result == -1 ? strerror(errno) : "no error");
}

static void report_errors(void) {
    int missing = 1000;
    print_error("close", close(missing));
    print_error("dup", dup(missing));
    print_error("dup2", dup2(missing, 5));
    print_error("dup3", dup3(4, 4, 0));
    print_error("socket", socket(-1, 0, 0));
    print_error("epoll_create1", epoll_create1(-1));
    print_error("eventfd", eventfd(0, -1));
    print_error("timerfd_create", timerfd_create(-1, 0));
    print_error("accept", accept(missing, NULL, NULL));
    print_error("pipe2", pipe2((int[2]){0, 0}, -1));
    print_error("fcntl", fcntl(missing, F_DUPFD, 0));
    errno = ENOTTY;
    int file = open("/dev/null", O_RDONLY);
    close(file);
    // A call that succeeds leaves errno alone.
    printf("errno %s\n", strerror(errno));
}

static void report_descriptors(void) {
    int low = open("/dev/null", O_RDONLY);
    int copy = fcntl(low, F_DUPFD_CLOEXEC, 20);
    int moved = dup2(copy, 30);
    int again = dup3(moved, 31, O_CLOEXEC);
    int pipes[2];
    int made = pipe(pipes);
    printf("descriptors %d %d %d %d pipe %d %d %d\n", low, copy, moved, again, made, pipes[0],
           pipes[1]);
    int closed = 0;
    for (int number = 3; number < 64; number++) {
        closed += close(number) == 0 ? 1 : 0;
    }
    printf("closed %d\n", closed);
}

static int report_early(void) {
    // Standard descriptors belong to the program, too.
    fflush(NULL);
    int saved = dup(STDOUT_FILENO);
    close(STDOUT_FILENO);
    int file = open("/dev/null", O_WRONLY);
    int result = file;
    dup2(saved, STDOUT_FILENO);
    close(saved);
    return result;
}

// Of its own, so that no variable of main() lives across the vfork().
__attribute__((noinline)) static int run_vfork(void) {
    pid_t child = vfork();
    if (child == 0) {
        _exit(4);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("standard_output_reused %d\n", report_early());
    report_errors();
    report_descriptors();

    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, open_and_close, NULL) != 0) {
            return 2;
        }
    }
    int children = count_children();
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    printf("rounds %ld\n", rounds);
    printf("children %d\n", children);
    fflush(NULL);

    printf("system %d\n", WEXITSTATUS(system("exit 3")));
    FILE *stream = popen("echo popen works", "r");
    char line[64] = "";
    if (stream != NULL && fgets(line, sizeof(line), stream) != NULL) {
        fputs(line, stdout);
        pclose(stream);
    }
    printf("vfork %d\n", run_vfork());
    return rounds == (long)THREADS * ROUNDS && children == 50 ? 0 : 1;
}
