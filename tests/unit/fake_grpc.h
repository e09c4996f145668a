// A gRPC of a few lines, for code that calls it through `grpc`. It has one queue of events,
// whatever queue it is asked for.
#ifndef GRPCFORKSHIM_TESTS_FAKE_GRPC_H
#define GRPCFORKSHIM_TESTS_FAKE_GRPC_H

#include "cores/grpc_abi.h"

#include <stddef.h>

struct fake_grpc {
    grpc_event events[16]; // what next and pluck return, one after the other, then time-outs
    size_t event_count;
    grpc_call_error start_batch_returns;
    // What was asked for.
    size_t batches, queues_made, calls_made, calls_released;
    size_t channels_made, channels_destroyed;
    grpc_completion_queue *queue_of_call, *queue_asked;
};

extern struct fake_grpc fake_grpc;

// Binds `grpc` to it. A batch that is started fails at once.
void fake_grpc_bind(void);

// The text of a slice that it made.
const char *fake_grpc_text(const grpc_slice *slice);

#endif
