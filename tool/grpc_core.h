// gRPC's core in files.
#ifndef GRPCFORKSHIM_TOOL_GRPC_CORE_H
#define GRPCFORKSHIM_TOOL_GRPC_CORE_H

#include "libraries.h"

#include <jansson.h>

// Adds to `cores` what of these libraries holds a gRPC core. `extension` (with its language) is
// what loads them later, or NULL.
void grpc_core_find(json_t *cores, const struct libraries *libraries, const char *extension,
                    const char *language);

// The same for what a process has mapped; `language` is that of the interpreter that it runs, or
// NULL.
void grpc_core_find_mapped(json_t *cores, const struct libraries *mapped, const char *language);

#endif
