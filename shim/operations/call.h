// Calls. One that came through a fork is over: it can be cancelled, asked and released, and every
// operation that is started on it fails.
//
// In a circle with completion_queue.c and pending.c: a call's operations are pending ones, which
// come back through queues, and some of them make calls.
#ifndef GRPCFORKSHIM_OPERATIONS_CALL_H
#define GRPCFORKSHIM_OPERATIONS_CALL_H

#include "cores/grpc_abi.h"
#include "objects/registry.h"

// Records a call of the core's that the program just made on its queue. Returns the call. Any
// thread.
grpc_call *call_record(const struct core *core, grpc_call *call,
                       const grpc_completion_queue *queue);

// grpc_call_start_batch on the program's call. Any thread.
grpc_call_error call_start_batch(const struct core *core, grpc_call *call,
                                 const grpc_op *operations, size_t count, void *tag,
                                 void *reserved);

// Remembers what the program attached to its call, which is asked for in children too. Any thread.
void call_record_census(const grpc_call *call, struct census_context *context);

// gRPC's own address of a call that the program names as the parent of a new one; NULL for one that
// came through a fork. Any thread.
grpc_call *call_as_parent(grpc_call *call);

// A call whose operations all fail at once, on gRPC's queue (NULL for one that none are started
// on). The caller owns it. Any thread of a child.
grpc_call *call_make_lame(const struct core *core, grpc_completion_queue *real_queue);

#endif
