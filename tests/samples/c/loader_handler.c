// A program whose at-fork handler waits for a thread that is in the loader's list of libraries, as
// an allocator's may.
//
// loader_handler ADDRESS
//
// The handler takes a lock and waits until the thread, called by dl_iterate_phdr(), waits for that
// lock: what asks the loader for anything from there to the fork waits for ever.

#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include "client.h"

static struct client client;
static struct answer before;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool inside;
static atomic_bool stop;

static int look(struct dl_phdr_info *image, size_t size, void *context) {
    (void)image;
    (void)size;
    (void)context;
    atomic_store(&inside, true);
    pthread_mutex_lock(&lock);
    pthread_mutex_unlock(&lock);
    atomic_store(&inside, false);
    return 1;
}

static void *ask_loader(void *argument) {
    while (!atomic_load(&stop)) {
        dl_iterate_phdr(look, NULL);
        sched_yield();
    }
    return argument;
}

static void prepare(void) {
    pthread_mutex_lock(&lock);
    while (!atomic_load(&inside)) {
        sched_yield();
    }
}

static void release(void) {
    pthread_mutex_unlock(&lock);
}

static int child(void *argument) {
    (void)argument;
    printf("child works\n");
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: loader_handler ADDRESS\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    grpc_init();
    client.channel = open_channel(argv[1], NULL, NULL);
    client.queue = grpc_completion_queue_create_for_pluck(NULL);
    bool passed = report_unary("parent", &client, "from the parent", &before);
    pthread_t thread;
    pthread_atfork(prepare, release, release);
    pthread_create(&thread, NULL, ask_loader, NULL);
    passed = run_in_child(child, NULL) == 0 && passed;
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    return report_parent_again(&client, &before) && passed ? 0 : 1;
}
