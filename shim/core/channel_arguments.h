// Copies of channel arguments: the program may free its own right after the channel is made.
#ifndef GRPCFORKSHIM_CORE_CHANNEL_ARGUMENTS_H
#define GRPCFORKSHIM_CORE_CHANNEL_ARGUMENTS_H

#include "core/grpc_abi.h"

#include <stdbool.h>

// A deep copy, or NULL for NULL and where memory is lacking. Pointers are copied by their own
// vtable, as gRPC does (include/grpc/impl/codegen/grpc_types.h, grpc_arg_pointer_vtable). Any
// thread of the process that makes the channel.
grpc_channel_args *channel_arguments_copy(const grpc_channel_args *arguments);

// Frees a copy. In the process that made it the pointers are destroyed by their vtable; in a child
// (`inherited`) they are left alone: they point to the parent's gRPC objects, whose locks may be held
// by threads that the child does not have.
void channel_arguments_free(grpc_channel_args *arguments, bool inherited);

// Arguments of the program, or a copy, for one call of gRPC in this process: in a child they are
// copied, and a pointer to an object of the registry leads to its replacement. What begins is ended
// after the call. Any thread.
grpc_channel_args *channel_arguments_begin_use(const grpc_channel_args *arguments);
void channel_arguments_end_use(grpc_channel_args *real, const grpc_channel_args *arguments);

#endif
