// A program that loads a plugin with gRPC, uses it, and unloads another one before it forks.
//
// unloading ADDRESS PLUGIN OTHER     the plugin is client_plugin.so

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void *load(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    return library;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: unloading ADDRESS PLUGIN OTHER\n");
        return 2;
    }
    void *plugin = load(argv[2]);
    void *other = load(argv[3]);
    bool (*plugin_open)(const char *) = (bool (*)(const char *))dlsym(plugin, "plugin_open");
    if (plugin_open == NULL || !plugin_open(argv[1]))
        return 1;
    dlclose(other);
    if (dlopen(argv[3], RTLD_NOW | RTLD_NOLOAD) != NULL) {
        puts("still loaded");
        return 3;
    }
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    int status = -1;
    if (child == -1 || waitpid(child, &status, 0) != child) {
        perror("child");
        return 2;
    }
    printf("child exit %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return status == 0 ? 0 : 1;
}
