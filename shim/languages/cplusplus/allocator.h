// Callback servers that a child makes.
//
// libgrpc++ serves callbacks on a queue that all servers and channels of the process share. In a
// child that may be one that its parent made, and gRPC's core is given it past the C API: once to
// begin with, and then with each call that it is offered a place for.
#ifndef GRPCFORKSHIM_LANGUAGES_CPLUSPLUS_ALLOCATOR_H
#define GRPCFORKSHIM_LANGUAGES_CPLUSPLUS_ALLOCATOR_H

#include "cores/grpc_abi.h"
#include "languages/cplusplus/standard_function.h"

// For the table of bindings: members of grpc_core::Server. The last parameter is a
// std::function<RegisteredCallAllocation()> or <BatchCallAllocation()>, passed by address.
void cplusplus_set_registered_allocator(void *server, grpc_completion_queue *queue, void *method,
                                        struct standard_function *allocator);
void cplusplus_set_batch_allocator(void *server, grpc_completion_queue *queue,
                                   struct standard_function *allocator);

#endif
