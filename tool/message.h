// What the command says on standard error.
#ifndef GRPCFORKSHIM_TOOL_MESSAGE_H
#define GRPCFORKSHIM_TOOL_MESSAGE_H

// Exit statuses that all subcommands share; those of `check` are in inspect.h.
enum { STATUS_FAILED = 1, STATUS_USAGE = 64 };

// One line, `grpcforkshim: ...`; printf-like.
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
