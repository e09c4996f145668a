// A child that leaves while a thread of it is about to give back gRPC's last channel. exit() does
// not wait for the thread, which goes on when all objects of static storage are destroyed, gRPC's
// too: they came with a plugin, and so after the program's own destructors were registered. The
// thread stands for one of gRPC's.
//
// late_thread ADDRESS PLUGIN      the plugin is client_plugin.so

#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void *plugin;
static pthread_t thread;
static bool is_waiting;
static sem_t destroyed;

static void *look_up(const char *name) {
    void *symbol = dlsym(plugin, name);
    if (symbol == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    return symbol;
}

static bool call(const char *who) {
    return ((bool (*)(const char *))look_up("plugin_call"))(who);
}

static void *close_late(void *unused) {
    while (sem_wait(&destroyed) != 0) {
    }
    ((void (*)(void))look_up("plugin_close"))();
    return unused;
}

// Comes after what was registered by __cxa_atexit while the program ran.
__attribute__((destructor)) static void end(void) {
    if (is_waiting) {
        sem_post(&destroyed);
        pthread_join(thread, NULL);
        puts("child thread ended");
    }
}

static void leave(void) {
    if (!call("child") || sem_init(&destroyed, 0, 0) != 0 ||
        pthread_create(&thread, NULL, close_late, NULL) != 0) {
        _exit(1);
    }
    is_waiting = true;
    exit(0);
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: late_thread ADDRESS PLUGIN\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    plugin = dlopen(argv[2], RTLD_LOCAL | RTLD_NOW);
    if (plugin == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    bool passed = ((bool (*)(const char *))look_up("plugin_open"))(argv[1]);
    pid_t child = fork();
    if (child == 0) {
        leave();
    }
    int status = 0;
    if (child == -1 || waitpid(child, &status, 0) != child) {
        perror("child");
        return 2;
    }
    printf("child exit %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    passed = call("parent") && passed;
    // The parent's end is not the subject.
    _exit(passed && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1);
}
