// Children whose main thread forks while another thread of theirs makes their first call.
//
// first_call_forks ADDRESS CHILDREN FORKS
//
// The thread stops in the registration of an exit function, where libc needs memory for it. Then
// each child forks FORKS times; each of these grandchildren calls through the channel of the first
// process, too, and leaves by exit().

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client.h"

static struct client client;
static struct answer before;
static int forks;

// --- libc's list of exit functions ---------------------------------------------------------------

// What glibc allocates for as many of them.
#define ENTRIES 32
#define BLOCK_SIZE (16 + ENTRIES * 32)

extern void *__libc_calloc(size_t count, size_t size);

static _Thread_local bool stops;
static atomic_bool began_block;
static sem_t stopped, let_go;

void *calloc(size_t count, size_t size) {
    if (count == 1 && size == BLOCK_SIZE) {
        atomic_store(&began_block, true);
        if (stops) {
            stops = false;
            sem_post(&stopped);
            while (sem_wait(&let_go) != 0) {
            }
        }
    }
    return __libc_calloc(count, size);
}

static void nothing(void) {
}

// The next registration needs a new block.
static void fill_block(void) {
    atomic_store(&began_block, false);
    while (!atomic_load(&began_block)) {
        atexit(nothing);
    }
    for (int i = 1; i < ENTRIES; i++) {
        atexit(nothing);
    }
}

// --- the processes -------------------------------------------------------------------------------

static int grandchild(void) {
    struct answer answer;
    return call_unary(&client, "from a grandchild", &answer) ? 0 : 1;
}

static void *call_first(void *context) {
    (void)context;
    struct answer answer;
    stops = true;
    return call_unary(&client, "from a child", &answer) ? &client : NULL;
}

static int child(void) {
    pthread_t thread;
    const int count = forks;
    pid_t grandchildren[count];
    void *called;
    int failed = 0;
    fill_block();
    pthread_create(&thread, NULL, call_first, NULL);
    sem_wait(&stopped);
    for (int i = 0; i < count; i++) {
        grandchildren[i] = fork();
        if (grandchildren[i] == 0) {
            exit(grandchild());
        }
    }
    for (int i = 0; i < count; i++) {
        failed += wait_for(grandchildren[i]) != 0;
    }
    sem_post(&let_go);
    pthread_join(thread, &called);
    return called != NULL ? failed : forks + 1;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: first_call_forks ADDRESS CHILDREN FORKS\n");
        return 2;
    }
    int children = (int)strtol(argv[2], NULL, 10), failed = 0;
    forks = (int)strtol(argv[3], NULL, 10);
    sem_init(&stopped, 0, 0);
    sem_init(&let_go, 0, 0);
    setvbuf(stdout, NULL, _IOLBF, 0);
    grpc_init();
    client.channel = open_channel(argv[1], NULL, NULL);
    client.queue = grpc_completion_queue_create_for_pluck(NULL);
    if (!report_unary("parent", &client, "from the parent", &before)) {
        return 1;
    }
    for (int i = 0; i < children; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            exit(child());
        }
        failed += wait_for(pid);
    }
    printf("grandchildren %d\nfailed %d\n", children * forks, failed);
    return report_parent_again(&client, &before) && failed == 0 ? 0 : 1;
}
