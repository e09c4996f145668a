// A process's forks: what is done around each of them by libc's at-fork handlers, and later in a
// child that was made without them (_Fork(), a bare clone system call).
//
//   prepare  announces the fork; nothing is stopped, and no lock is taken. (But for the fork of a
//            process that has loaded gRPC and not used it: it attaches then.)
//   parent   the fork is over, or failed
//   child    what core/process.h has for a child
//
// One page says that a child has not been noticed yet: the one that the kernel wipes at every fork.
#ifndef GRPCFORKSHIM_CORE_FORK_H
#define GRPCFORKSHIM_CORE_FORK_H

// Registers the at-fork handlers once, the first of the process's: prepare then runs last and child
// first. To be called where gRPC may be in the process, and before others register theirs. It is
// not done from the start: the page faults of it are half of what a program without gRPC would pay
// for this library. Safe before the constructor, from any thread. Not async-signal-safe.
void fork_register_handlers(void);

// Does the bookkeeping of a child that no at-fork handler has seen, if this is one. Any thread; of
// several at once one does it, and the others wait for it. Preserves errno. Async-signal-safe.
void fork_notice_child(void);

// From here on the calling process is the one that is followed. Where nothing was followed before,
// when its flags are where they stay; one thread at a time. Async-signal-safe.
void fork_note_process(void);

// The flag has been set. One thread at a time. Async-signal-safe.
void fork_note_ready(void);

#endif
