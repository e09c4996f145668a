// Preprocessed into the linker's version script: what programs may bind to, and nothing else.
#include "core/symbols.h"

#define EXPORT(result, name, parameters) name;
#define KEEP(result, name, parameters)

{
    global:
        GRPC_SYMBOLS(EXPORT, KEEP)
        ARES_SYMBOLS(EXPORT)
        LIBC_SYMBOLS(EXPORT)
    local:
        *;
};
