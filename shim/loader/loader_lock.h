// The loader's lock of its list of images (glibc's dl_load_write_lock), which it does not free in a
// child.
//
// dl_iterate_phdr(3) holds it while it calls back, so a thread that looks through a large program's
// images, for a backtrace say, holds it for long. A child whose parent had such a thread hangs in
// dl_iterate_phdr(), and in dlopen() of anything that is not loaded yet: Python's child loads
// gRPC's module once more.
//
// It is found by what it does: one recursive mutex among the loader's variables is this thread's
// while it is called back, and wasn't before. A mutex says who holds it.
#ifndef GRPCFORKSHIM_LOADER_LOADER_LOCK_H
#define GRPCFORKSHIM_LOADER_LOADER_LOCK_H

#include <stdbool.h>

// Takes the lock for a moment. Parent, once, when gRPC is found.
void loader_lock_find(void);

// Frees it if no thread of this process holds it. True where it is known, and free or a thread's of
// this process. `is_alone`: this thread is the process's only one. Child, before it asks for the
// list; async-signal-safe.
bool loader_lock_free_in_child(bool is_alone);

#endif
