// The tree of inspect.h as text for people.
#ifndef GRPCFORKSHIM_TOOL_PRINT_H
#define GRPCFORKSHIM_TOOL_PRINT_H

#include <jansson.h>
#include <stdio.h>

void print_findings(FILE *stream, const json_t *findings);

// The obstacles and the verdict only, one line each, beginning with `prefix`.
void print_verdict(FILE *stream, const char *prefix, const json_t *findings);

#endif
