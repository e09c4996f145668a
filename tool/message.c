#include "message.h"

#include <stdarg.h>
#include <stdio.h>

void complain(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("grpcforkshim: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}
