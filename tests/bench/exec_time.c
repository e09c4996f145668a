// exec_time LIBRARY PROGRAM: the time from starting PROGRAM until it has ended, without and with
// LIBRARY preloaded, in turns.

#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"

static int64_t time_exec(char *program, char **environment) {
    char *arguments[] = {program, NULL};
    pid_t child;
    int status;
    int64_t before = now_nanoseconds();
    errno = posix_spawn(&child, program, NULL, NULL, arguments, environment);
    if (errno != 0) {
        perror(program);
        exit(1);
    }
    while (waitpid(child, &status, 0) == -1 && errno == EINTR) {
    }
    int64_t after = now_nanoseconds();
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "%s: status %d\n", program, status);
        exit(1);
    }
    return after - before;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s LIBRARY PROGRAM\n", argv[0]);
        return 2;
    }
    char preload[4096];
    snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", argv[1]);
    char *without[] = {NULL};
    char *with[] = {preload, NULL};
    struct samples samples;
    while (next_burst(&samples, 2)) {
        for (size_t i = 0; i < samples.count; i++) {
            // Whichever comes first finds the caches as the other one has left them.
            bool with_first = i % 2 == 1;
            samples.values[2 * i + with_first] = time_exec(argv[2], with_first ? with : without);
            samples.values[2 * i + !with_first] = time_exec(argv[2], with_first ? without : with);
        }
        finish_burst(&samples);
    }
    return 0;
}
