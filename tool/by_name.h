// Scripts that don't say what runs them.
#ifndef GRPCFORKSHIM_TOOL_BY_NAME_H
#define GRPCFORKSHIM_TOOL_BY_NAME_H

// The interpreter that a script is usually given to, by the end of its name, as a shell would find
// it: `python3` for app.py. NULL where the name tells nothing or there is no such program; the
// caller frees it.
char *interpreter_by_name(const char *path);

#endif
