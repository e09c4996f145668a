// The threads that libgrpc++ makes for itself to poll completion queues with.
//
// It is not rewound, so in a child it goes on as if they were there: a callback queue without them
// never calls back, and who waits for their end waits for ever. So each is known here with what it
// runs and which queue it was last seen to poll, and is run once more when that queue is in use
// again in a child: their bodies are loops over a queue. (The threads that gRPC's core makes are
// not recorded: the core is rewound and makes its own.)
//
// The callback API of versions without background pollers (all that are tested) shares one queue
// in the process, polled by threads of libgrpc++'s own. They are made by grpc_core::Thread's
// constructor, whose import is bound: name, body and argument of each thread are known, and the
// queue that it was last seen to poll. When that queue is in use again in a child, or holds
// operations of calls that were pending at fork, the bodies are run again in new threads. The
// forking thread may be one of them (a reaction forks): it is the one that is there.
//
// The last channel gives the queue back and joins these threads. An inherited pthread_t means
// nothing in a child: glibc has put the thread's stack into its cache, and may give the same
// one, and so the same pthread_t, to a new thread; a join would then wait for a stranger. So
// joins are answered by us as long as libgrpc++ is in that one function, which is bound too. In
// a child that has not used gRPC it does nothing at all: shutting the queue down would start
// gRPC only to call back into a program that is being destroyed.
#ifndef GRPCFORKSHIM_OPERATIONS_THREAD_H
#define GRPCFORKSHIM_OPERATIONS_THREAD_H

#include "base/compiler.h"
#include "cores/grpc_abi.h"

#include <pthread.h>
#include <stdbool.h>

struct thread;

// Records a thread that is about to be made. `name` stays the caller's and must last. Returns what
// thread_run is to be given, or NULL where memory is lacking. Any thread.
struct thread *thread_record(void (*body)(void *argument), void *argument, const char *name);

// The thread was not made after all. Any thread.
void thread_forget(struct thread *thread);

// The body of the recorded thread, in that thread.
void thread_run(void *thread);

// Not for other rooms: the record of the calling thread, or NULL.
extern THREAD_LOCAL struct thread *thread_current;
void thread_note_queue(const grpc_completion_queue *queue);

// The calling thread polls the program's queue. Any thread.
static inline void thread_polls(const grpc_completion_queue *queue) {
    if (unlikely(thread_current != NULL))
        thread_note_queue(queue);
}

// True in a thread that libgrpc++ made, which calls the program back with what it takes from a
// queue. Any thread.
static inline bool thread_is_of_library(void) {
    return unlikely(thread_current != NULL);
}

// The forking thread may be one of them; it is the one that the child has. Child, single-threaded,
// async-signal-safe.
void thread_survives_in_child(void);

// Runs the threads again that polled this queue in the parent, or where there are none those that
// had not come to poll one yet. Does nothing for those that already run in this process. Any thread
// of a child.
void thread_restart(const grpc_completion_queue *queue);

// True where such a thread of a process before this one polled the queue, or may have. Any thread
// of a child.
bool thread_polled_before(const grpc_completion_queue *queue);

// The calling thread is about to end a queue of libgrpc++'s and to wait for its threads; the queue
// that it shuts down meanwhile is that one. Any thread.
void thread_joins_begin(void);
void thread_note_shutdown(const grpc_completion_queue *queue);

// For pthread_join by libgrpc++, after the former, on a thread that may not be in this process.
// Returns true where the thread is an inherited one, after having waited for the one that was run
// in its place, if any; false where libc is to be asked. (An inherited pthread_t means nothing to
// libc, which may have given the same one to a new thread.) Any thread of a child.
bool thread_join_inherited(pthread_t thread);

#endif
