// What all wrappers share. A wrapper translates handles, calls the real function and records; it
// has no logic of its own.
#ifndef GRPCFORKSHIM_ENTRY_ENTRY_H
#define GRPCFORKSHIM_ENTRY_ENTRY_H

#include "base/compiler.h"
#include "cores/functions.h"
#include "cores/symbols.h"

// Our C name for a function is not the symbol that programs bind to: gRPC's headers declare that,
// not quite the same in each version.
#define DECLARE_WRAPPER(result, name, parameters)                                                  \
    EXPORTED result wrapped_##name parameters __asm__(#name);
#define DECLARE_NOTHING(result, name, parameters)

GRPC_SYMBOLS(DECLARE_WRAPPER, DECLARE_NOTHING)
ARES_SYMBOLS(DECLARE_WRAPPER)
LIBC_SYMBOLS(DECLARE_WRAPPER, DECLARE_NOTHING)

#endif
