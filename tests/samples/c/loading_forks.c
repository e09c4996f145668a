// Forks while another thread loads a plugin that brings gRPC with it. These children end at once.
//
// loading_forks ADDRESS PLUGIN [used]
//
//   used   one more child calls, over the channel that its parent has called over

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *path;
static pthread_barrier_t begin;
static atomic_bool loaded;
static bool (*plugin_open)(const char *address);
static bool (*plugin_call)(const char *who);

static bool child_works(const char *who) {
    pid_t child = fork();
    if (child == 0) {
        bool passed = who == NULL || plugin_call(who);
        fflush(NULL);
        _exit(passed ? 0 : 1);
    }
    int status = -1;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static void *load(void *argument) {
    pthread_barrier_wait(&begin);
    void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (plugin == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        _exit(2);
    }
    plugin_open = (__typeof__(plugin_open))dlsym(plugin, "plugin_open");
    plugin_call = (__typeof__(plugin_call))dlsym(plugin, "plugin_call");
    atomic_store(&loaded, true);
    return argument;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: loading_forks ADDRESS PLUGIN [used]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    path = argv[2];
    pthread_t thread;
    int forks = 0, failed = 0;
    pthread_barrier_init(&begin, NULL, 2);
    pthread_create(&thread, NULL, load, NULL);
    pthread_barrier_wait(&begin);
    do {
        failed += !child_works(NULL);
        forks++;
    } while (!atomic_load(&loaded));
    pthread_join(thread, NULL);
    printf("during forks %d\nduring failed %d\n", forks, failed);
    bool passed = plugin_open(argv[1]) && failed == 0;
    if (argc > 3 && strcmp(argv[3], "used") == 0) {
        passed = child_works("child") && passed;
        passed = plugin_call("parent") && passed;
    }
    return passed ? 0 : 1;
}
