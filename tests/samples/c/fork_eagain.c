// A fork() that fails, in one thread of the program, and a later one that works.
//
// fork_eagain ADDRESS

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "client.h"

#define ATTEMPTS 20

struct program {
    struct client client;
    struct answer before;
    bool thread_passed;
};

// The limit on processes does not bind root, so the kernel is told to refuse this thread.  A
// thread can't be refused with clone3, whose flags a filter can't see: libc then uses clone.
static void refuse_processes(void) {
#define NUMBER offsetof(struct seccomp_data, nr)
#define FLAGS offsetof(struct seccomp_data, args[0])
    struct sock_filter instructions[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NUMBER),
#ifdef SYS_fork
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fork, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
#endif
#ifdef SYS_clone3
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
#endif
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FLAGS),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_VM, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(instructions) / sizeof(instructions[0]),
                                 .filter = instructions};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        fail("seccomp");
    }
}

static void *fork_in_vain(void *argument) {
    struct program *program = argument;
    refuse_processes();
    int refused = 0;
    for (int i = 0; i < ATTEMPTS; i++) {
        errno = 0;
        pid_t child = fork();
        if (child == 0) {
            _exit(3);
        }
        refused += child == -1 && errno == EAGAIN ? 1 : 0;
    }
    printf("parent refused %d\n", refused);
    program->thread_passed =
        refused == ATTEMPTS && report_parent_again(&program->client, &program->before);
    return NULL;
}

static int child(void *argument) {
    struct program *program = argument;
    return report_child_unary("child", &program->client, &program->before) ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: fork_eagain ADDRESS\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    static struct program program;
    grpc_init();
    program.client.channel = open_channel(argv[1], NULL, NULL);
    program.client.queue = grpc_completion_queue_create_for_pluck(NULL);
    bool passed = report_unary("parent", &program.client, "from the parent", &program.before);

    pthread_t thread;
    if (pthread_create(&thread, NULL, fork_in_vain, &program) != 0) {
        fail("pthread_create");
    }
    pthread_join(thread, NULL);
    passed = program.thread_passed && passed;
    passed = report_parent_again(&program.client, &program.before) && passed;

    passed = run_in_child(child, &program) == 0 && passed;

    passed = report_parent_again(&program.client, &program.before) && passed;
    grpc_channel_destroy(program.client.channel);
    grpc_completion_queue_shutdown(program.client.queue);
    grpc_completion_queue_destroy(program.client.queue);
    grpc_shutdown();
    return passed ? 0 : 1;
}
