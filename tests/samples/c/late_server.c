// A program in C that uses gRPC, and then loads a plugin in C++ that serves.
//
// late_server PLUGIN

#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

#include "client.h"

struct plugin {
    void (*start)(void);
    void (*stop)(void);
};

static int stop_in_child(void *context) {
    const struct plugin *plugin = context;
    plugin->stop();
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s PLUGIN\n", argv[0]);
        return 2;
    }
    grpc_init();
    void *library = dlopen(argv[1], RTLD_NOW);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    struct plugin plugin;
    *(void **)&plugin.start = dlsym(library, "plugin_start");
    *(void **)&plugin.stop = dlsym(library, "plugin_stop");
    plugin.start();
    int status = run_in_child(stop_in_child, &plugin);
    plugin.stop();
    grpc_shutdown();
    return status;
}
