// Channel and call credentials. A child doesn't use the parent's objects: they hold locks, and
// indices that a rewound gRPC gets anew (TLS contexts). It makes its own by the same recipe.
#ifndef GRPCFORKSHIM_CORE_CREDENTIALS_H
#define GRPCFORKSHIM_CORE_CREDENTIALS_H

#include "core/grpc_abi.h"
#include "core/registry.h"

// Which function made them. The comment says which members of the recipe it uses.
enum credentials_constructor {
    CREDENTIALS_INSECURE,         // -
    CREDENTIALS_SSL,              // text: roots, key, certificates; verify
    CREDENTIALS_SSL_EX,           // the same
    CREDENTIALS_COMPOSITE,        // channel, call
    CREDENTIALS_GOOGLE_DEFAULT,   // call
    CREDENTIALS_LOCAL,            // number
    CREDENTIALS_CALL_COMPOSITE,   // call, call_too
    CREDENTIALS_COMPUTE_ENGINE,   // -
    CREDENTIALS_JWT_ACCESS,       // text: key; time
    CREDENTIALS_REFRESH_TOKEN,    // text: token
    CREDENTIALS_ACCESS_TOKEN,     // text: token
    CREDENTIALS_IAM,              // text: token, selector
    CREDENTIALS_EXTERNAL_ACCOUNT, // text: json, scopes
    CREDENTIALS_PLUGIN,           // plugin, number: security level
};

#define CREDENTIALS_TEXTS 3

struct credentials_recipe {
    enum credentials_constructor constructor;
    const char *text[CREDENTIALS_TEXTS];
    const grpc_channel_credentials *channel;
    const grpc_call_credentials *call, *call_too;
    int number;
    gpr_timespec time;
    const grpc_ssl_verify_peer_options *verify;
    const grpc_metadata_credentials_plugin *plugin;
};

// Records what the program just made; what the recipe points to is copied. Returns the credentials.
// Any thread.
grpc_channel_credentials *credentials_record(grpc_channel_credentials *credentials,
                                             const struct credentials_recipe *recipe);
grpc_call_credentials *call_credentials_record(grpc_call_credentials *credentials,
                                               const struct credentials_recipe *recipe);

#endif
