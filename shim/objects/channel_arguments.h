// Channel arguments: copies, since the program may free its own right after a channel is made, and
// their translation.
#ifndef GRPCFORKSHIM_OBJECTS_CHANNEL_ARGUMENTS_H
#define GRPCFORKSHIM_OBJECTS_CHANNEL_ARGUMENTS_H

#include "cores/grpc_abi.h"

#include <stdbool.h>

struct channel_arguments;

// A deep copy, or NULL for NULL and where memory is lacking. Pointers are copied by their own
// vtable, as gRPC does (include/grpc/impl/codegen/grpc_types.h, grpc_arg_pointer_vtable); of an
// object in the registry the record is kept as well, which the program may release before the copy.
// Any thread of the process that makes the channel.
struct channel_arguments *channel_arguments_copy(const grpc_channel_args *arguments);

// Frees a copy. In the process that made it the pointers are destroyed by their vtable; in a child
// (`inherited`) they are left alone: they point to the parent's gRPC objects, whose locks may be
// held by threads that the child does not have.
void channel_arguments_free(struct channel_arguments *copy, bool inherited);

// The arguments of a copy for one call of gRPC in this process: a pointer to an object of the
// registry leads to its replacement. NULL for NULL. What begins is ended after the call. Any
// thread.
grpc_channel_args *channel_arguments_begin_use_of_copy(const struct channel_arguments *copy);
void channel_arguments_end_use_of_copy(const struct channel_arguments *copy,
                                       grpc_channel_args *real);

// The same for arguments of the program's own: in generation 0 they are used as they are.
grpc_channel_args *channel_arguments_begin_use(const grpc_channel_args *arguments);
void channel_arguments_end_use(grpc_channel_args *real, const grpc_channel_args *arguments);

#endif
