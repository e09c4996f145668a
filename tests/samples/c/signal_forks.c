// The handler of a signal forks, whatever the signal has interrupted. The child ends at once.
//
// signal_forks ADDRESS PLUGIN load|call
//
//   load, call   from where on there is the handler: before the plugin is loaded, which brings gRPC
//   with
//                it, or before its first call
//
// When the signal comes is a preloaded library's: tests/preload/interrupter.c.

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t forks, failed;

static void handle(int signal) {
    (void)signal;
    int saved_errno = errno, status = -1;
    pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    while (child > 0 && waitpid(child, &status, 0) == -1 && errno == EINTR) {
    }
    forks++;
    failed += status != 0;
    errno = saved_errno;
}

static void set_handler(void) {
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: signal_forks ADDRESS PLUGIN load|call\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (strcmp(argv[3], "load") == 0) {
        set_handler();
    }
    void *plugin = dlopen(argv[2], RTLD_NOW | RTLD_LOCAL);
    bool (*plugin_open)(const char *) =
        plugin != NULL ? (bool (*)(const char *))dlsym(plugin, "plugin_open") : NULL;
    if (plugin_open == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    if (strcmp(argv[3], "call") == 0) {
        set_handler();
    }
    bool passed = plugin_open(argv[1]);
    signal(SIGUSR1, SIG_IGN);
    printf("parent forks %d\nparent failed %d\n", (int)forks, (int)failed);
    return passed && failed == 0 ? 0 : 1;
}
