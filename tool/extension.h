// Where an interpreter looks for what a script asks for, and the gRPC extensions that it would find
// there.
#ifndef GRPCFORKSHIM_TOOL_EXTENSION_H
#define GRPCFORKSHIM_TOOL_EXTENSION_H

// The language of an interpreter by its file name ("python", "ruby"), or NULL. Static memory.
const char *extension_language(const char *interpreter);

// The directories that packages are in, in the order in which the interpreter would look; `command`
// is the path under which it is started (of a virtual environment, say). Ended by NULL; the caller
// frees each and the array.
char **extension_directories(const char *language, const char *command);

// The files of gRPC's extension for the language in these directories, in their order. Ended by
// NULL; the caller frees each and the array.
char **extension_find(const char *language, char *const *directories);

#endif
