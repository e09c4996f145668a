// Where the shim's library is, and how it gets into the environment.
#ifndef GRPCFORKSHIM_TOOL_LIBRARY_H
#define GRPCFORKSHIM_TOOL_LIBRARY_H

#include <stdbool.h>

// The library that was installed or built with this command, or `given`. NULL, after a message,
// where it can't be read or preloaded. The caller frees it.
char *library_find(const char *given);

// The same, and NULL, after a message, also where its path can't stand in LD_PRELOAD.
char *library_path(const char *given);

// Whether a value of LD_PRELOAD has that name in it: they are separated by colons or spaces
// (ld.so(8)).
bool library_is_in(const char *list, const char *name);

// The value of LD_PRELOAD that has the library in front of what `present` (or NULL) has. The caller
// frees it.
char *library_preload(const char *library, const char *present);

// Puts the library in front of what this process's environment has preloaded. A path with a space,
// which can't stand in LD_PRELOAD, is taken apart: its directory goes in front of LD_LIBRARY_PATH,
// where it can, and there is nothing else in it. False, after a message, where that is not
// possible.
bool library_put_into_environment(const char *library);

#endif
