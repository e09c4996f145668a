// A daemon that is not linked with gRPC and loads a plugin that is, for itself alone.
//
// late_loader ADDRESS PLUGIN [now]     `now`: with RTLD_NOW instead of RTLD_LAZY

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void *look_up(void *plugin, const char *name) {
    void *symbol = dlsym(plugin, name);
    if (symbol == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    return symbol;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: late_loader ADDRESS PLUGIN [now]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    int binding = argc > 3 && strcmp(argv[3], "now") == 0 ? RTLD_NOW : RTLD_LAZY;

    // Before there is any gRPC in the process.
    pid_t early = fork();
    if (early == 0) {
        _exit(0);
    }
    waitpid(early, NULL, 0);

    void *plugin = dlopen(argv[2], RTLD_LOCAL | binding);
    if (plugin == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    printf("parent global_grpc %s\n",
           dlsym(RTLD_DEFAULT, "grpc_slice_from_copied_string") == NULL ? "absent" : "present");
    bool (*plugin_open)(const char *) = (bool (*)(const char *))look_up(plugin, "plugin_open");
    bool (*plugin_call)(const char *) = (bool (*)(const char *))look_up(plugin, "plugin_call");
    void (*plugin_close)(void) = (void (*)(void))look_up(plugin, "plugin_close");

    bool passed = plugin_open(argv[1]);
    pid_t child = fork();
    if (child == 0) {
        bool child_passed = plugin_call("child");
        fflush(NULL);
        _exit(child_passed ? 0 : 1);
    }
    int status = 0;
    if (child == -1 || waitpid(child, &status, 0) != child) {
        perror("child");
        return 2;
    }
    passed = WIFEXITED(status) && WEXITSTATUS(status) == 0 && passed;
    printf("child exit %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    passed = plugin_call("parent") && passed;
    plugin_close();
    return passed ? 0 : 1;
}
