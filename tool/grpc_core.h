// gRPC's core in a file: which kind it is of, and its version.
#ifndef GRPCFORKSHIM_TOOL_GRPC_CORE_H
#define GRPCFORKSHIM_TOOL_GRPC_CORE_H

#include "libraries.h"

// A core is one copy of gRPC's C core, however it came into the file.
enum core_kind {
    CORE_NONE,
    CORE_LIBRARY,   // in a library of its own, whose functions the shim can stand in front of
    CORE_REFUSED,   // exported, too, and the shim would leave it alone
    CORE_EXTENSION, // inside Python's cygrpc
    CORE_EMBEDDED,  // inside anything else
};

// Decides as the shim itself does. `*refusal` (or NULL) gets the reason for CORE_REFUSED, which is
// static memory. Reads the file's constants, if it must: some milliseconds for a large one.
enum core_kind grpc_core_kind(const struct elf_file *file, const char **refusal);

// The core's own version ("29.0.0"), which stripped files tell, too; or NULL. The caller frees it.
char *grpc_core_version(const struct elf_file *file);

// The release ("1.51.1") by the name of a libgrpc++ among these, or NULL. The caller frees it.
char *grpc_core_release(const struct libraries *libraries);

// The release by what lies beside the extension of an interpreter, or by its directory's name; or
// NULL. The caller frees it.
char *grpc_core_release_of_extension(const char *extension);

#endif
