// The ways in which a process ends. ends WAY: forks, and both end that way, with status 3.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void end_in_handler(void) {
    _exit(3);
}

static int end(const char *way) {
    if (strcmp(way, "exit") == 0)
        exit(3);
    if (strcmp(way, "_exit") == 0)
        _exit(3);
    if (strcmp(way, "_Exit") == 0)
        _Exit(3);
    if (strcmp(way, "quick_exit") == 0)
        quick_exit(3);
    if (strcmp(way, "exit_in_handler") == 0)
        atexit(end_in_handler);
    return 3;
}

static pid_t begin(const char *way) {
    if (strcmp(way, "vfork") != 0)
        return fork();
    pid_t child = vfork();
    if (child == 0)
        _exit(3);
    return child;
}

int main(int count, char **arguments) {
    int status = 0;
    if (count != 2)
        return 2;
    pid_t child = begin(arguments[1]);
    if (child > 0 && (waitpid(child, &status, 0) != child || status != 3 << 8)) {
        printf("the child ended with %x\n", (unsigned)status);
        return 1;
    }
    return end(arguments[1]);
}
