// A client of a gRPC that it is told the path of.
//
// unknown_client LIBRARY [OTHER LIBRARY]
//
// The other library is loaded before it. Makes a channel, forks, and asks the inherited channel
// where it was made.

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void *function(const char *name) {
    // What is preloaded comes first.
    void *address = dlsym(RTLD_DEFAULT, name);
    if (address == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    return address;
}

static void report(const char *who, void *channel) {
    char *(*get_target)(void *) = function("grpc_channel_get_target");
    int (*is_initialized)(void) = function("grpc_is_initialized");
    char *target = get_target(channel);
    char own[64];
    snprintf(own, sizeof(own), "target of %d", (int)getpid());
    printf("%s initialised %d\n", who, is_initialized());
    printf("%s channel %s\n", who, strcmp(target, own) == 0 ? "own" : "inherited");
    free(target);
}

int main(int argc, char **argv) {
    if (argc < 2 || argc > 3) {
        fputs("usage: unknown_client LIBRARY [OTHER LIBRARY]\n", stderr);
        return 2;
    }
    if ((argc == 3 && dlopen(argv[2], RTLD_NOW | RTLD_LOCAL) == NULL) ||
        dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL) == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    void (*initialise)(void) = function("grpc_init");
    void *(*create)(const char *, const void *, void *) = function("grpc_insecure_channel_create");
    initialise();
    void *channel = create("target", NULL, NULL);
    report("parent", channel);
    pid_t child = fork();
    if (child == 0) {
        report("child", channel);
        // A child that is not the first one of its kind.
        pid_t grandchild = fork();
        if (grandchild == 0) {
            report("grandchild", channel);
            exit(0);
        }
        int status = 1;
        exit(waitpid(grandchild, &status, 0) == grandchild && status == 0 ? 0 : 1);
    }
    int status = 1;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        return 1;
    }
    report("parent", channel);
    return status == 0 ? 0 : 1;
}
