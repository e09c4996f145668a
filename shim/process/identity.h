// Which process this is: the one for which all that is remembered holds, or a child of it that
// nobody has noticed yet. At-fork handlers notice a child of fork(); one that was made past them
// (_Fork, a bare clone system call) is noticed at its first call, by its number and by the page
// that the kernel wipes at every fork.
#ifndef GRPCFORKSHIM_PROCESS_IDENTITY_H
#define GRPCFORKSHIM_PROCESS_IDENTITY_H

#include <stdbool.h>
#include <sys/types.h>

// The number of this process. Not getpid(): before glibc 2.25 it answered from memory, wrongly in a
// child of a bare clone(). Any thread; async-signal-safe.
pid_t identity_number(void);

// What is asked and done for a process that may be a child: whether its parent had anything that
// has to be looked after, and that itself. Before anything is followed; both stay for ever.
void identity_begin(bool (*is_followed)(void), void (*become_child)(void));

// From here on the calling process is the one that is followed. One thread at a time;
// async-signal-safe.
void identity_note_process(void);

// Whether the calling process is the one that is followed. Any thread; async-signal-safe.
bool identity_is_noted(void);

// The page has been set. One thread at a time; async-signal-safe.
void identity_note_ready(void);

// Does what is to be done for a child that no at-fork handler has seen, if this is one. Any thread;
// of several at once one does it, and the others wait for it. Preserves errno; async-signal-safe.
void identity_notice_child(void);

// The same for one that a handler sees, single-threaded and async-signal-safe. What has to be done
// is the caller's affair.
void identity_begin_child(void);

#endif
