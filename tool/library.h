// Where the shim's library is, and how it gets into the environment.
#ifndef GRPCFORKSHIM_TOOL_LIBRARY_H
#define GRPCFORKSHIM_TOOL_LIBRARY_H

#include <stdbool.h>

// The library that was installed or built with this command, or `given`. NULL, after a message,
// where it can't be read or preloaded. The caller frees it.
char *library_path(const char *given);

// The value of LD_PRELOAD that has the library in front of what `present` (or NULL) has. The caller
// frees it.
char *library_preload(const char *library, const char *present);

#endif
