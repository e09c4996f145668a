// Completion queues.
//
// In a circle with call.c and pending.c: see call.h.
#ifndef GRPCFORKSHIM_OPERATIONS_COMPLETION_QUEUE_H
#define GRPCFORKSHIM_OPERATIONS_COMPLETION_QUEUE_H

#include "cores/grpc_abi.h"
#include "objects/registry.h"

#include <stdbool.h>

struct pending;

// Records a queue that the program just made. Returns the queue. Any thread.
grpc_completion_queue *completion_queue_record(const struct core *core,
                                               grpc_completion_queue *queue,
                                               const grpc_completion_queue_attributes *attributes);

#define COMPLETION_QUEUE_UNKNOWN ((grpc_cq_completion_type)-1)

// How the queue gives out its completions, or COMPLETION_QUEUE_UNKNOWN. Any thread.
grpc_cq_completion_type completion_queue_type(const grpc_completion_queue *queue);

// Lets the queue give out this operation's tag as failed. The queue takes ownership. Returns false
// where the queue is not known. Any thread of a child.
bool completion_queue_fail(const grpc_completion_queue *queue, struct pending *pending);

// Frees the queues' locks: a thread that the child does not have may have held them. Child, at its
// first use of gRPC.
void completion_queue_reset_locks_in_child(void);

// The queue was told to shut down. Any thread.
void completion_queue_record_shutdown(const grpc_completion_queue *queue);

// True where gRPC's queue takes no new operations any more. Any thread.
bool completion_queue_is_shut_down(const grpc_completion_queue *queue);

// grpc_completion_queue_next and, with `tag`, _pluck, on the program's queue. Any thread.
grpc_event completion_queue_next(const struct core *core, grpc_completion_queue *queue,
                                 gpr_timespec deadline, void *reserved);
grpc_event completion_queue_pluck(const struct core *core, grpc_completion_queue *queue, void *tag,
                                  gpr_timespec deadline, void *reserved);

#endif
