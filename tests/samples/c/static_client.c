// A program with gRPC linked in statically, which forks twice when gRPC's threads are at work.
//
// static_client

#include <dirent.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <grpc/grpc.h>

static bool has_thread(const char *beginning) {
    bool found = false;
    DIR *tasks = opendir("/proc/self/task");
    for (const struct dirent *task; !found && (task = readdir(tasks)) != NULL;) {
        char path[300], name[32] = "";
        snprintf(path, sizeof(path), "/proc/self/task/%s/comm", task->d_name);
        FILE *file = fopen(path, "r");
        if (file == NULL) {
            continue;
        }
        found = fgets(name, sizeof(name), file) != NULL &&
                strncmp(name, beginning, strlen(beginning)) == 0;
        fclose(file);
    }
    closedir(tasks);
    return found;
}

int main(void) {
    grpc_init();
    while (!has_thread("grpc_global_tim")) {
        sched_yield();
    }
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        if (child == 0) {
            _exit(0);
        }
        int status = -1;
        waitpid(child, &status, 0);
        printf("child exit %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128);
    }
    grpc_shutdown();
    return 0;
}
