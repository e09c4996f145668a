// How a library with gRPC's core in it is told from one that holds other code, too, by what it
// exports. The shim asks this of an image in its process, the command of a file: neither's way of
// reading symbols is known here.
#ifndef GRPCFORKSHIM_CORES_CENSUS_H
#define GRPCFORKSHIM_CORES_CENSUS_H

#include <stdbool.h>
#include <stddef.h>

struct census {
    size_t functions;
    size_t foreign_cpp;
    bool foreign_c;
};

// Counts a symbol that the image defines, of which st_info is `info` (<elf.h>). True where the
// others need not be counted any more. Async-signal-safe.
bool census_count(struct census *census, const char *name, unsigned char info);

// Whether there is code in the image that is not gRPC's, once all symbols were counted.
// Async-signal-safe.
bool census_finds_other_code(const struct census *census);

// grpc::ServerBuilder: who defines it has libgrpc++ in it, which holds what the program registered.
#define CENSUS_CPLUSPLUS "_ZN4grpc13ServerBuilderC1Ev"

// Functions that every gRPC has had, and that the shim can't do without.
#define CENSUS_NEEDED(NEEDED)                                                                      \
    NEEDED(grpc_shutdown)                                                                          \
    NEEDED(grpc_is_initialized)                                                                    \
    NEEDED(grpc_version_string)                                                                    \
    NEEDED(grpc_slice_from_copied_string)                                                          \
    NEEDED(grpc_lame_client_channel_create)                                                        \
    NEEDED(grpc_channel_destroy)                                                                   \
    NEEDED(grpc_channel_create_call)                                                               \
    NEEDED(grpc_completion_queue_factory_lookup)                                                   \
    NEEDED(grpc_completion_queue_create)                                                           \
    NEEDED(grpc_completion_queue_next)                                                             \
    NEEDED(grpc_call_start_batch)                                                                  \
    NEEDED(grpc_call_unref)

#endif
