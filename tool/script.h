// Scripts: files with a first line that names their interpreter.
#ifndef GRPCFORKSHIM_TOOL_SCRIPT_H
#define GRPCFORKSHIM_TOOL_SCRIPT_H

// The interpreter that the first line of a script names (execve(2)), or NULL. Without a slash it is
// one that env(1) would not find. The caller frees it.
char *script_interpreter(const char *path);

#endif
