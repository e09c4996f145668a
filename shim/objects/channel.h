// Channels, and the registered calls that hang on them.
#ifndef GRPCFORKSHIM_OBJECTS_CHANNEL_H
#define GRPCFORKSHIM_OBJECTS_CHANNEL_H

#include "cores/grpc_abi.h"
#include "objects/registry.h"

// Which function made a channel; a replacement is made by the same.
enum channel_constructor {
    CHANNEL_CREATE,          // grpc_channel_create, since 1.46
    CHANNEL_CREATE_INSECURE, // grpc_insecure_channel_create, before
    CHANNEL_CREATE_SECURE,   // grpc_secure_channel_create, before
    CHANNEL_CREATE_LAME,
    CHANNEL_FROM_DESCRIPTOR, // can't be made again: the connection is the parent's
    CHANNEL_IN_PROCESS,      // can't be made again: the server is the parent's
    CHANNEL_LOST,            // can't be made again: there was no memory to record how
};

struct channel_recipe {
    enum channel_constructor constructor;
    const char *target;
    grpc_channel_credentials *credentials;
    const grpc_channel_args *arguments;
    grpc_status_code status; // of a lame channel
    const char *message;
};

// Records a channel of the core's that the program just made; what the recipe points to is copied.
// Returns the channel. Any thread.
grpc_channel *channel_record(const struct core *core, grpc_channel *channel,
                             const struct channel_recipe *recipe);

// What stands for a channel to a server of the parent's in the same process: its calls fail at once
// and say why. The caller owns it. Any thread of a child.
grpc_channel *channel_make_parted(const struct core *core);

// Records the handle of a registered call that gRPC just returned for the program's channel.
// Returns the handle. Any thread.
void *channel_record_registered_call(const grpc_channel *channel_handle, void *registered,
                                     const char *method, const char *host);

#endif
