// What a child of fork() can rely on under the shim: README.md has it in words, docs/limits.md what
// it leaves out.
#ifndef GRPCFORKSHIM_TOOL_CONTRACT_H
#define GRPCFORKSHIM_TOOL_CONTRACT_H

#include <jansson.h>

// The rows, each with "row", "text" and "holds", for what was found (see inspect.h; coverage is set
// already). None where there is no gRPC.
json_t *contract_describe(const json_t *findings);

#endif
