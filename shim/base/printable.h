// What goes to a log or a terminal, and comes from somebody else: the environment, a file's name.
#ifndef GRPCFORKSHIM_BASE_PRINTABLE_H
#define GRPCFORKSHIM_BASE_PRINTABLE_H

#include <stddef.h>

// How many bytes the character of UTF-8 has that begins there; 0 where none does.
// Async-signal-safe; any thread.
size_t printable_character(const char *text, size_t available);

// Puts a question mark in place of each byte that belongs to a control character (a line's end,
// too) or is no part of UTF-8. Async-signal-safe; any thread.
void printable_make(char *text, size_t length);

#endif
