// One thread at a time finds gRPC, or does what is due at its first use. What it calls meanwhile
// comes back to this library, and is passed through.
#ifndef GRPCFORKSHIM_LIFE_WORK_H
#define GRPCFORKSHIM_LIFE_WORK_H

#include <stdbool.h>

// Waits for another thread that is at it, and keeps the others out until work_end. Nothing of the
// loader that waits for a constructor may be called between the two: one may be waiting here. Any
// thread; not recursive.
void work_begin(void);
void work_end(void);

// Whether the calling thread is between the two. Any thread; async-signal-safe.
bool work_is_mine(void);

// Whoever was at it is not in this process. Child, single-threaded, async-signal-safe.
void work_reset_in_child(void);

// Reads the settings and begins to count, once. By the constructor, or by a call that comes before
// it. Any thread.
void work_start_process(void);

#endif
