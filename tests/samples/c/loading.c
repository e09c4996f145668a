// A child that makes channels in one thread, and loads and unloads a library in another.
//
// loading LIBRARY CHANNELS

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"

struct load {
    const char *library;
    long channels;
    atomic_bool stop;
};

static void *load_and_unload(void *context) {
    struct load *load = context;
    while (!atomic_load(&load->stop)) {
        void *library = dlopen(load->library, RTLD_NOW);
        if (library != NULL) {
            dlclose(library);
        }
    }
    return NULL;
}

static int work(void *context) {
    struct load *load = context;
    pthread_t thread;
    pthread_create(&thread, NULL, load_and_unload, load);
    for (long i = 0; i < load->channels; i++) {
        grpc_channel_destroy(open_channel("127.0.0.1:1", NULL, NULL));
    }
    atomic_store(&load->stop, true);
    pthread_join(thread, NULL);
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s LIBRARY CHANNELS\n", argv[0]);
        return 2;
    }
    struct load load = {.library = argv[1], .channels = strtol(argv[2], NULL, 10)};
    grpc_init();
    int status = run_in_child(work, &load);
    grpc_shutdown();
    return status;
}
