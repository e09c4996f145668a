// Whether an interpreter is one whose extension of gRPC the shim protects.
#ifndef GRPCFORKSHIM_TOOL_PYTHON_H
#define GRPCFORKSHIM_TOOL_PYTHON_H

#include "libraries.h"

// Looks for the interpreter among these, and says why the shim would leave its gRPC alone; NULL
// where it would not. Static memory.
const char *python_refusal(const struct libraries *libraries);

#endif
