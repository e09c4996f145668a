#include "daemonise.h"

#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what) {
    perror(what);
    exit(1);
}

// Whatever the program had open, but for the standard streams.
static void close_everything(void) {
    long limit = sysconf(_SC_OPEN_MAX);
    for (int descriptor = STDERR_FILENO + 1; descriptor < limit && descriptor < 65536;
         descriptor++) {
        close(descriptor);
    }
}

static void leave_terminal(int output) {
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
        dup2(null, STDERR_FILENO) < 0) {
        _exit(1);
    }
    close_everything();
    umask(0);
    if (chdir("/") != 0) {
        _exit(1);
    }
}

static void drop_privileges(void) {
    if (getuid() != 0) {
        return;
    }
    if (setgroups(0, NULL) != 0 || setgid(DAEMON_USER) != 0 || setuid(DAEMON_USER) != 0 ||
        setuid(0) == 0) {
        _exit(1);
    }
}

void daemonise(FILE **daemon) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        fail("pipe2");
    }
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        fail("fork");
    }
    if (child > 0) {
        close(ends[1]);
        waitpid(child, NULL, 0);
        *daemon = fdopen(ends[0], "r");
        return;
    }
    setsid();
    pid_t grandchild = fork();
    if (grandchild != 0) {
        _exit(grandchild < 0 ? 1 : 0);
    }
    leave_terminal(ends[1]);
    drop_privileges();
    *daemon = NULL;
}

int relay_daemon(FILE *daemon) {
    char line[1024];
    int passed = 0;
    while (fgets(line, sizeof(line), daemon) != NULL) {
        fputs(line, stdout);
        passed = strcmp(line, "done 0\n") == 0;
    }
    fclose(daemon);
    return passed ? 0 : 1;
}
