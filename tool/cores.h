// All gRPC cores of a program or a process, each with what the shim does for it.
#ifndef GRPCFORKSHIM_TOOL_CORES_H
#define GRPCFORKSHIM_TOOL_CORES_H

#include "coverage.h"
#include "grpc_core.h"
#include "process/record.h"

#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>

// When a core comes into the process: with the program; by an interpreter's gRPC package; by
// another package, which a script names, or which is just there for it; or it is there, in a
// process.
enum core_loaded { CORE_AT_START, CORE_LATER, CORE_PERHAPS, CORE_ALREADY };

// Which file, and in a process where it is mapped.
struct place {
    dev_t device;
    ino_t inode;
    uint64_t start;
};

struct core {
    char *file;
    enum core_kind kind;
    const char *refusal; // for CORE_REFUSED
    struct place place;
    enum core_loaded loaded;
    char *extension; // what an interpreter loads, and this with it; or NULL
    const char *language;
    char *version;
    char *release;
    enum coverage coverage;
    const char *verdict;
};

// In the order in which they are loaded, as far as that is known.
struct cores {
    struct core *items;
    size_t count;
    struct place *seen; // all files that were looked at: packages share their libraries
    size_t seen_count;
};

// Who loads libraries with cores in them.
struct loading {
    enum core_loaded loaded;
    const char *extension; // or NULL
    const char *language;  // of the interpreter, or NULL
};

// Adds those of the libraries that hold one and are not there yet.
void cores_add(struct cores *cores, const struct libraries *libraries,
               const struct loading *loading);

// What a process's record says (process/record.h).
struct protection {
    uint64_t images[RECORD_IMAGES];
    bool refused;
};

// Sets coverage and verdict of each. `python` is why the interpreter is not one that the shim
// knows, or NULL; `protection` NULL where there is no record to go by.
void cores_judge(struct cores *cores, const char *python, const struct protection *protection);

// The worst of them, or NULL where there is none. A core that is perhaps loaded counts as unknown
// where it would not be covered.
const struct core *cores_worst(const struct cores *cores, enum coverage *coverage);

// As inspect.h describes it.
json_t *cores_json(const struct cores *cores);

// Whether there is one of that kind, or in that language.
bool cores_have_kind(const struct cores *cores, enum core_kind kind);
bool cores_have_language(const struct cores *cores, const char *language);

void cores_free(struct cores *cores);

#endif
