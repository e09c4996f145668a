// What can be known of a program, a script or a library before it is run under the shim.
//
// The result is a tree in JSON, which is also what `check --json` prints:
//
//   target        as given
//   file          what was read
//   kind          "program", "script", "library" or "process"
//   interpreter   of a script: the program that runs it
//   architecture
//   preload       "possible", and "obstacles": reasons why the loader will ignore LD_PRELOAD, each
//                 with "code" and "text"
//   grpc          "linkage" ("dynamic", "static", "late", "absent", "unknown") and "cores": each
//                 gRPC core found, with "file", "linkage", "loaded" ("start"; "later", by a package
//                 of the interpreter's; "perhaps", by one that the script does not name;
//                 "already"), "extension" and "language" where an interpreter loads it,
//                 "core_version" and "release" where they can be read, "coverage" and "verdict"
//   contract      what will hold: "row", "text", "holds" ("yes", "partly", "no", "unknown")
//   notes         what else the user should know
//   coverage      "covered", "partly", "not" or "unknown": that of the worst core; and why:
//                 "verdict"
#ifndef GRPCFORKSHIM_TOOL_INSPECT_H
#define GRPCFORKSHIM_TOOL_INSPECT_H

#include "coverage.h"

#include <jansson.h>
#include <stdbool.h>

// Reads a file, which is looked up in PATH like a command where it has no slash. The caller gives
// the tree back by json_decref.
json_t *inspect_file(const char *target);

struct libraries;
struct protection;

// Reads the program of a process, whose libraries are given, and then belong to it; or NULL, where
// they are not known. `path` is by which the program can be opened, `protection` what the process's
// record says, or NULL. The caller gives the tree back.
json_t *inspect_running(const char *path, struct libraries *mapped,
                        const struct protection *protection);

// Sets coverage, verdict and contract of a tree.
void inspect_conclude(json_t *findings, enum coverage coverage, const char *verdict);

// What inspect_conclude set.
enum coverage inspect_coverage(const json_t *findings);

// Adds a line to the notes; printf-like.
void inspect_note(json_t *findings, const char *format, ...) __attribute__((format(printf, 2, 3)));

// The path of a command as execvp(3) would find it, or NULL; the caller frees it.
char *inspect_find_command(const char *name);

// The same, with another PATH.
char *inspect_find_in(const char *path, const char *name);

#endif
