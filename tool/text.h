// Names of files and processes are bytes; JSON wants UTF-8, and a terminal obeys control
// characters.
#ifndef GRPCFORKSHIM_TOOL_TEXT_H
#define GRPCFORKSHIM_TOOL_TEXT_H

#include <jansson.h>

// A JSON string, with U+FFFD for every byte that is not part of UTF-8. Belongs to the caller.
json_t *text_json(const char *bytes);

// Puts a question mark in place of every control character in all strings of a tree.
void text_make_printable(json_t *tree);

#endif
