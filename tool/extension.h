// The gRPC extensions that an interpreter would find when a script asks for gRPC.
#ifndef GRPCFORKSHIM_TOOL_EXTENSION_H
#define GRPCFORKSHIM_TOOL_EXTENSION_H

#include <stddef.h>

// The language of an interpreter by its file name ("python", "ruby"), or NULL. Static memory.
const char *extension_language(const char *interpreter);

// The extension files of the language, in the order in which the interpreter would look; `command`
// is the path under which it is started (of a virtual environment, say). Ended by NULL; the caller
// frees each and the array.
char **extension_find(const char *language, const char *command);

#endif
