// What a fork ended, on its way to the program's reactions (callbacks), and the end of the process.
//
// A child may leave by exit() while reactions of its parent are still to be called: it never waited
// for them, and the program did not mean to let it. From there on the objects that they belong to
// are being destroyed, and whoever destroys a channel waits until the threads of its queue have
// given everything out. (Measured with one stream open at fork: 2 to 3 of 100 children that had
// called once and left crashed in a reaction, on a machine under load.)
#ifndef GRPCFORKSHIM_OPERATIONS_DELIVERY_H
#define GRPCFORKSHIM_OPERATIONS_DELIVERY_H

#include <stdbool.h>

// The calling thread is about to give out an operation that a fork ended, by calling the program
// back. False where the process has begun to exit: the operation is to be dropped. Any thread of a
// child.
bool delivery_begin(void);

// The program has returned from what delivery_begin allowed; does nothing without that. Any thread.
void delivery_end(void);

// True from when a child that used gRPC has begun to exit. Any thread.
bool delivery_is_over(void);

// From here on exit() is noticed, before it destroys what was there at the fork. It waits for
// reactions that are running, half a second at most: one of them may wait for the thread that
// leaves. The first use of gRPC in a child, one thread at a time.
void delivery_watch_exit(void);

// Child, single-threaded, async-signal-safe.
void delivery_reset_in_child(void);

#endif
