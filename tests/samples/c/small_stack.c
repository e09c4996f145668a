// Forks where there is not much stack. The child ends at once.
//
// small_stack ADDRESS unused|used STACK
//
//   unused, used  whether the program has called through gRPC before; it has it loaded
//   signal        in a signal's handler on the thread's own stack
//   alternate:N   in a signal's handler on an alternate stack of N bytes
//   thread        in a thread with the smallest stack that there may be

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client.h"

static volatile sig_atomic_t forked;

static void fork_and_wait(void) {
    pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    forked = child > 0 && wait_for(child) == 0;
}

static void handle(int signal) {
    (void)signal;
    fork_and_wait();
}

static void fork_in_handler(int flags) {
    struct sigaction action = {.sa_handler = handle, .sa_flags = flags};
    if (sigaction(SIGUSR1, &action, NULL) != 0 || raise(SIGUSR1) != 0) {
        fail("a signal");
    }
}

// What is needed beyond it meets a page that can't be written.
static void fork_on_alternate(size_t size) {
    size_t page = (size_t)getpagesize();
    size_t whole = (size + page - 1) / page * page;
    char *memory = mmap(NULL, whole + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory + page, whole, PROT_READ | PROT_WRITE) != 0) {
        fail("memory for a stack");
    }
    stack_t stack = {.ss_sp = memory + page + (whole - size), .ss_size = size};
    if (sigaltstack(&stack, NULL) != 0) {
        fail("sigaltstack");
    }
    fork_in_handler(SA_ONSTACK);
}

static void *fork_in_thread(void *argument) {
    fork_and_wait();
    return argument;
}

static void fork_on_smallest(void) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    // Not a constant any more since glibc 2.34.
    int error = pthread_attr_setstacksize(&attributes, (size_t)sysconf(_SC_THREAD_STACK_MIN));
    if (error != 0 || (error = pthread_create(&thread, &attributes, fork_in_thread, NULL)) != 0) {
        errno = error;
        fail("a thread");
    }
    pthread_join(thread, NULL);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: small_stack ADDRESS unused|used signal|alternate:N|thread\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct client client = {0};
    struct answer answer;
    if (strcmp(argv[2], "used") == 0) {
        grpc_init();
        client.channel = open_channel(argv[1], NULL, NULL);
        client.queue = grpc_completion_queue_create_for_pluck(NULL);
        if (!report_unary("parent", &client, "from the parent", &answer)) {
            return 1;
        }
    }
    if (strncmp(argv[3], "alternate:", 10) == 0) {
        fork_on_alternate(strtoul(argv[3] + 10, NULL, 10));
    } else if (strcmp(argv[3], "thread") == 0) {
        fork_on_smallest();
    } else {
        fork_in_handler(0);
    }
    return report("child", "forked", forked != 0) ? 0 : 1;
}
