#include "base/own_threads.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// proc(5): one directory for each thread.
bool thread_is_alone(void) {
    struct stat threads;
    int saved_errno = errno;
    bool is_alone = stat("/proc/self/task", &threads) == 0 && threads.st_nlink == 2 + 1;
    errno = saved_errno;
    return is_alone;
}

bool thread_is_here(int thread) {
    int saved_errno = errno;
    bool is_here =
        syscall(SYS_tgkill, (pid_t)syscall(SYS_getpid), thread, 0) == 0 || errno != ESRCH;
    errno = saved_errno;
    return is_here;
}
