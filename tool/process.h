// What can be known of a running process: the shim in it, its counters, and what it has open that
// it inherited. The process is not stopped and does not notice.
//
// To the tree of inspect.h comes "process":
//
//   pid, program
//   shim         "loaded", and its "file"
//   state        what became of gRPC: see shim/process/record.h
//   generation   how many forks lie between it and the process that loaded gRPC
//   counters     one member for each
//   descriptors  "grpc": how many its gRPC has open; "inherited": those of its parent's gRPC that
//                it still has, each with "descriptor" and "target"; null where the parent can't
//                tell
#ifndef GRPCFORKSHIM_TOOL_PROCESS_H
#define GRPCFORKSHIM_TOOL_PROCESS_H

#include <jansson.h>
#include <sys/types.h>

// The caller gives the tree back by json_decref.
json_t *process_inspect(pid_t pid);

#endif
