// What the command says, in lines of which each is one: what comes from files, names and the
// environment is made printable.
#ifndef GRPCFORKSHIM_TOOL_MESSAGE_H
#define GRPCFORKSHIM_TOOL_MESSAGE_H

#include <stdarg.h>
#include <stdio.h>

// Exit statuses that all subcommands share; those of `check` are in coverage.h.
enum { STATUS_FAILED = 1, STATUS_USAGE = 64 };

// One line on standard error, `grpcforkshim: ...`; printf-like.
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

// One line on standard output; printf-like.
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

// One line with something in front of it.
void message_line(FILE *stream, const char *prefix, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

// Says that getopt_long(3) did not take the last argument that it looked at. It must be silent
// itself (opterr).
void complain_of_option(char *const *arguments);

#endif
