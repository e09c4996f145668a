#include "base/own_threads.h"

#include "base/file_status.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

// proc(5): one directory for each thread.
bool thread_is_alone(void) {
    struct stat threads;
    int saved_errno = errno;
    bool is_alone = file_status_at("/proc/self/task", &threads) && threads.st_nlink == 2 + 1;
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
