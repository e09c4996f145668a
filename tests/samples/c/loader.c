// A program without gRPC that is busy with the loader.
//
// loader plugin PLUGIN   loads a plugin
// loader forks           children of children, while threads ask for the loaded libraries

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 3
#define FORKS 50

static int look(struct dl_phdr_info *information, size_t size, void *count) {
    (void)information;
    (void)size;
    for (int i = 0; i < 1000; i++) {
        ++*(volatile unsigned *)count;
    }
    return 0;
}

static void *ask(void *argument) {
    unsigned count = 0;
    for (;;) {
        dl_iterate_phdr(look, &count);
    }
    return argument;
}

static int wait_for(pid_t child) {
    int status = -1;
    waitpid(child, &status, 0);
    return status;
}

static int fork_twice(void) {
    pid_t child = fork();
    if (child == 0) {
        pid_t grandchild = fork();
        if (grandchild == 0) {
            _exit(0);
        }
        _exit(wait_for(grandchild) == 0 ? 0 : 1);
    }
    return wait_for(child);
}

static int run_forks(void) {
    pthread_t threads[THREADS];
    int failed = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, ask, NULL);
    }
    for (int i = 0; i < FORKS; i++) {
        failed += fork_twice() != 0;
    }
    printf("forks %d failed %d\n", FORKS, failed);
    return failed == 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "forks") == 0) {
        return run_forks();
    }
    if (argc != 3) {
        fprintf(stderr, "usage: loader plugin PLUGIN | forks\n");
        return 2;
    }
    puts(dlopen(argv[2], RTLD_NOW) != NULL ? "loaded" : dlerror());
    return 0;
}
