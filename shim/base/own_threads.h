// Which threads this process has, as the kernel tells.
#ifndef GRPCFORKSHIM_BASE_OWN_THREADS_H
#define GRPCFORKSHIM_BASE_OWN_THREADS_H

#include <stdbool.h>

// Whether the calling thread is the process's only one. False where /proc isn't mounted. Any
// thread; async-signal-safe; keeps errno.
bool thread_is_alone(void);

// Whether the kernel's number of a thread is one of this process's. A number that is a thread's of
// the parent is no other's while that one lives. As above.
bool thread_is_here(int thread);

#endif
