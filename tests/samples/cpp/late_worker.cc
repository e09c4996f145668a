// A prefork server whose workers load their application, and gRPC with it, after they were forked.
//
// late_worker ADDRESS PLUGIN
//
// The worker calls and closes its channel, opens event descriptors of its own, and forks: the child
// has to have all of them.

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

// What makes it a program in C++ for the libraries that it loads.
const std::string name = "a worker with a string that is destroyed at its end";

template <typename Function> Function LookUp(void *plugin, const char *symbol) {
    void *address = dlsym(plugin, symbol);
    if (address == nullptr) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    return reinterpret_cast<Function>(address);
}

int WaitFor(pid_t child) {
    int status = -1;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

int CountMissing(const std::vector<int> &descriptors) {
    int missing = 0;
    for (const int descriptor : descriptors) {
        missing += fcntl(descriptor, F_GETFD) < 0 ? 1 : 0;
    }
    return missing;
}

int Work(const char *address, const char *path) {
    void *plugin = dlopen(path, RTLD_NOW);
    if (plugin == nullptr) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    if (!LookUp<bool (*)(const char *)>(plugin, "plugin_open")(address)) {
        return 1;
    }
    LookUp<void (*)()>(plugin, "plugin_close")();
    // They take the numbers that gRPC gave back.
    std::vector<int> own;
    for (int i = 0; i < 24; i++) {
        own.push_back(eventfd(0, EFD_CLOEXEC));
    }
    const pid_t child = fork();
    if (child == 0) {
        const int missing = CountMissing(own);
        printf("child missing %d\n", missing);
        fflush(stdout);
        _exit(missing == 0 ? 0 : 1);
    }
    return WaitFor(child);
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s ADDRESS PLUGIN\n", argv[0]);
        return 2;
    }
    const pid_t worker = fork();
    if (worker == 0) {
        const int status = Work(argv[1], argv[2]);
        fflush(stdout);
        _exit(status);
    }
    const int status = WaitFor(worker);
    printf("worker exit %d\n", status);
    return status;
}
