#include "descriptors/close_each.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

// The number that a name in /proc/self/fd stands for, or -1.
static int number_of(const char *name) {
    int number = *name >= '0' && *name <= '9' ? 0 : -1;
    for (; *name >= '0' && *name <= '9'; name++) {
        if (number > (INT_MAX - 9) / 10)
            return -1;
        number = number * 10 + (*name - '0');
    }
    return *name == '\0' ? number : -1;
}

// The kernel lists them in their order and remembers the last number, not its place: what was
// closed meanwhile hides none.
static bool close_listed(unsigned first) {
    _Alignas(struct dirent64) char entries[1024];
    int list =
        (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (list < 0)
        return false;
    long size;
    while ((size = syscall(SYS_getdents64, list, entries, sizeof(entries))) > 0) {
        for (long at = 0; at < size;) {
            const struct dirent64 *entry = (const struct dirent64 *)(entries + at);
            int number = number_of(entry->d_name);
            if (number >= 0 && (unsigned)number >= first && number != list)
                syscall(SYS_close, number);
            at += entry->d_reclen;
        }
    }
    syscall(SYS_close, list);
    return size == 0;
}

void descriptors_close_each(unsigned first) {
    struct rlimit limit;
    if (close_listed(first) || getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    for (unsigned number = first; number < limit.rlim_cur && number <= INT_MAX; number++)
        syscall(SYS_close, number);
}
