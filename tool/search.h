// The cores that an interpreter may load.
#ifndef GRPCFORKSHIM_TOOL_SEARCH_H
#define GRPCFORKSHIM_TOOL_SEARCH_H

#include "cores.h"

#include <jansson.h>

// Adds those of gRPC's extension for the language, and of all other packages that the interpreter
// would find. `command` is the path under which it is started, `script` the one that it runs, or
// NULL. Findings get notes.
void search_interpreter(json_t *findings, struct cores *cores, const char *language,
                        const char *command, const char *script);

#endif
