// stat(2) by system call: libc's functions carry a symbol version of glibc 2.33 wherever this
// library is built with that or a later one, and it would not load with an older one. What the
// calls fill is struct stat on the 64-bit architectures.
#ifndef GRPCFORKSHIM_BASE_FILE_STATUS_H
#define GRPCFORKSHIM_BASE_FILE_STATUS_H

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// fstat(2). False and errno where it fails. Any thread, parent or child; async-signal-safe.
static inline bool file_status(int descriptor, struct stat *status) {
    return syscall(SYS_fstat, descriptor, status) == 0;
}

// stat(2), the same.
static inline bool file_status_at(const char *path, struct stat *status) {
    return syscall(SYS_newfstatat, AT_FDCWD, path, status, 0) == 0;
}

#endif
