// How well a program, or one gRPC in it, is covered.
#ifndef GRPCFORKSHIM_TOOL_COVERAGE_H
#define GRPCFORKSHIM_TOOL_COVERAGE_H

// Also the exit statuses of `check`.
enum coverage { COVERED, PARTLY, NOT_COVERED, UNKNOWN };

// "covered", "partly", "not", "unknown". Static memory.
const char *coverage_name(enum coverage coverage);

// The one that a reader must not miss: NOT_COVERED before UNKNOWN before PARTLY before COVERED.
enum coverage coverage_worse(enum coverage one, enum coverage other);

#endif
