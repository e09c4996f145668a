// A process's forks: what is done around each of them, in which order, and why there.
//
// libc's at-fork handlers do it; a wrapper of _Fork(), which runs none, does; and for a child that
// was made without either (a bare clone system call) its first call into gRPC does. Some kernels
// wipe no page at a fork, nor do some emulators: there such children are not noticed.
//
// The handlers must do nothing but write what is there: they may not allocate, ask the loader, take
// a lock whose holder may do either, use stdio, or need more than some hundred bytes of stack.
// Handlers of an allocator may have run before them and hold its locks; fork() may be called in a
// handler of a signal that interrupted any code of ours, on a stack of its own. Measured when they
// attached to gRPC: with jemalloc or tcmalloc the parent hung in fork() 4 of 4 times, in a signal
// handler 9 of 13, and on an alternate stack of 8 KiB it crashed.
#ifndef GRPCFORKSHIM_LIFE_FORK_H
#define GRPCFORKSHIM_LIFE_FORK_H

#include <sys/types.h>

// Registers the at-fork handlers once, the first of the process's: prepare then runs last and child
// first. To be called where gRPC may be in the process, and before others register theirs. It is
// not done from the start: the page faults of it are half of what a program without gRPC would pay
// for this library. Safe before the constructor, from any thread. Not async-signal-safe.
void fork_register_handlers(void);

// Makes a child by a function that runs no at-fork handlers, and does what they would have done.
// Returns what that returned, with its errno. Any thread; async-signal-safe, as _Fork() is.
pid_t fork_past_handlers(pid_t (*make)(void));

#endif
