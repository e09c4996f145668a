// Operations that were started and whose tags the program has not got back yet.
//
// In the child of a fork each of them is over: its tag comes back once, as failed, with the outputs
// that the program gave for it set as gRPC sets them for a cancelled call. So the tag, the queue
// and the outputs of each are kept from before gRPC starts it until the program gets the tag.
//
// Two designs were weighed (each about 100 ns a batch): handing gRPC a tag of ours that leads to
// the program's, or a table by queue and tag. The first can't serve pluck, which is asked for the
// program's tag perhaps before the operation is started, nor the tags that libgrpc++ posts by
// functions that are not interposed. So it is the table; and ours are handed out only where a tag
// is already pending on the same "next" queue for another call, since which of the two comes back
// could not be told otherwise, and outputs of a finished call must not be written to. The tags of a
// callback queue are functors, which gRPC calls; there it is handed one of ours that calls the
// program's.
//
// In the child the records go to their queues, which give them out before asking gRPC. An
// operation *started* in the child on an inherited call has to wake a thread that may already
// wait in gRPC's queue. It is carried by a batch of our own, on a channel that is lame, whose
// completion the queue delivers in its turn.
//
// A batch that receives the status of a call succeeds with the status CANCELLED, as it does for
// any call that ends: programs don't look at the status of a batch that failed. All others come
// back failed.
//
// In a circle with call.c and completion_queue.c: see call.h.
#ifndef GRPCFORKSHIM_OPERATIONS_PENDING_H
#define GRPCFORKSHIM_OPERATIONS_PENDING_H

#include "cores/grpc_abi.h"

#include <stdbool.h>
#include <stddef.h>

struct core;
struct pending;

// Notes an operation on the program's queue of this type before it is started. `call` (the
// program's; NULL for operations of channels) and `operations` say what it sets. `*tag` is the
// program's and may be replaced by the one to hand to gRPC. Returns NULL where nothing is tracked:
// a queue that is not known. Any thread.
struct pending *pending_begin(const struct core *core, const grpc_completion_queue *queue,
                              grpc_cq_completion_type type, const grpc_call *call,
                              const grpc_op *operations, size_t count, void **tag);

// The same for an operation of a channel or a server, which sets nothing.
struct pending *pending_begin_without_call(const struct core *core,
                                           const grpc_completion_queue *queue, void **tag);

// The same for an operation that makes a call, on `queue_of_call`: it is recorded when the tag
// comes back as succeeded.
struct pending *pending_begin_request(const struct core *core, const grpc_completion_queue *queue,
                                      grpc_call **made, const grpc_completion_queue *queue_of_call,
                                      void **tag);

// gRPC refused it: no tag will come. NULL is ignored.
void pending_cancel(struct pending *pending);

// A tag came back from the program's queue: forgets the operation, and puts the program's tag and
// success into the event where they are not gRPC's. True where a fork had ended the operation. Any
// thread.
bool pending_complete(const grpc_completion_queue *queue, grpc_event *event);

// Gives what was pending at fork to its queues, and runs the threads of libgrpc++'s again that are
// to take it from there. Child, once, when gRPC is initialised again.
void pending_inherit(void);

// Fails an operation that the program starts on an inherited call, or the like: its outputs are set
// and its tag comes back through the queue. Any thread of a child.
void pending_start_failed(const struct core *core, grpc_completion_queue *queue,
                          const grpc_call *call, const grpc_op *operations, size_t count,
                          void *tag);

// The same for an operation of no call: its tag comes back with this success.
void pending_start_finished(const struct core *core, grpc_completion_queue *queue, int success,
                            void *tag);

// Sets the outputs of an operation and frees it. Returns its event. Any thread of a child.
grpc_event pending_fail(struct pending *pending);

// Frees an operation whose tag nobody will ask for. Any thread of a child.
void pending_drop(struct pending *pending);

// A list of them: append, and take the first (with `any`) or the first of a tag. Under the owner's
// lock; the head may be read without.
void pending_append(_Atomic(struct pending *) *list, struct pending *pending);
struct pending *pending_take(_Atomic(struct pending *) *list, const void *tag, bool any);

#endif
