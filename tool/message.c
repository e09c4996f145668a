#include "message.h"

#include "base/printable.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

void message_line(FILE *stream, const char *prefix, const char *format, va_list arguments) {
    char *text = NULL;
    if (vasprintf(&text, format, arguments) < 0)
        return;
    printable_make(text, strlen(text));
    fprintf(stream, "%s%s\n", prefix, text);
    free(text);
}

void complain(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    message_line(stderr, "grpcforkshim: ", format, arguments);
    va_end(arguments);
}

void say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    message_line(stdout, "", format, arguments);
    va_end(arguments);
}

void complain_of_option(char *const *arguments) {
    complain("%s: wrong option, or one without its value: %s", arguments[0], arguments[optind - 1]);
}
