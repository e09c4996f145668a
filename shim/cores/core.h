// A core: one copy of gRPC's C core, as this process has it. A process may have several: libraries
// of two versions that plugins were loaded with, or libgrpc beside libgrpc_unsecure. Each is found,
// checked, protected and revived by itself; an object of the program's belongs to the one that made
// it (objects/registry.h). What a process has once whatever its cores are is not here: the wiped
// page, the generation, the registry, the descriptors, the locks of other libraries.
#ifndef GRPCFORKSHIM_CORES_CORE_H
#define GRPCFORKSHIM_CORES_CORE_H

#include "base/compiler.h"
#include "cores/functions.h"
#include "loader/image.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// More than any process was seen with. What comes after them is told of, and left alone.
#define CORES_MAXIMUM 8

struct settings;
struct snapshot;

// NOT_FOUND    it is loaded, and has not been looked at, or could not be protected then
// FOUND        all is ready but the copy of its data, which its first call makes
// PROTECTED    forks are survived
// UNPROTECTED  it is left alone
enum core_state { CORE_NOT_FOUND, CORE_FOUND, CORE_PROTECTED, CORE_UNPROTECTED };

// Never freed: a call may be in its functions.
struct core {
    struct grpc_functions grpc; // the real ones
    _Atomic(enum core_state) state;
    unsigned index; // among the process's cores
    // The calls that its own images make are bound to this one: itself, or an earlier one whose
    // functions stand before its own in the loader's order.
    struct core *bound_to;
    _Atomic bool has_unprotected; // of those that are bound to it
    struct image image;           // that which defines grpc_init
    struct snapshot *snapshot;
    _Atomic(struct settings *) settings;
    _Atomic uint32_t initialisations;       // that the program has not taken back yet
    _Atomic bool asked_before, asked_after; // about the first of these: life/first_use.c
};

// Not to be used directly.
struct cores {
    _Atomic size_t count;
    struct core *all[CORES_MAXIMUM];
};
extern _Atomic(struct cores *) cores_known;

// How many there are, and each of them, in the order in which they were found. Any thread;
// async-signal-safe.
static inline size_t cores_count(void) {
    const struct cores *known = atomic_load_explicit(&cores_known, memory_order_acquire);
    return known != NULL ? atomic_load_explicit(&known->count, memory_order_acquire) : 0;
}

static inline struct core *cores_at(size_t index) {
    return atomic_load_explicit(&cores_known, memory_order_acquire)->all[index];
}

// `each` is one after the other. Not to be left by `break`.
#define FOR_EACH_CORE(each)                                                                        \
    for (size_t each##_index = 0; each##_index < cores_count(); each##_index++)                    \
        for (struct core *each = cores_at(each##_index); each != NULL; each = NULL)

// Adds the core that is in this image, with its functions bound. NULL where memory is lacking, or
// there are too many. Under the lock of the first use (life/work.h).
struct core *cores_add(const struct image *image);

// The core of this image, or NULL. Any thread.
struct core *cores_find(const struct image *image);

// What stands for a core where there is none: a program can look up functions by name that no
// library has. Each does nothing, and says so.
extern struct core core_absent;

// Any thread; async-signal-safe.
static inline enum core_state core_state(const struct core *core) {
    return atomic_load_explicit(&core->state, memory_order_relaxed);
}

// Under the lock of the first use.
void core_set_state(struct core *core, enum core_state state);

// The core is left alone, for this reason, which is said once. As above.
void core_set_unprotected(struct core *core, const char *what, const char *why);

// True where forks are survived; false before the first call into it, when disabled, and where it
// can't be protected. Any thread.
static inline bool core_is_protected(const struct core *core) {
    return core_state(core) == CORE_PROTECTED;
}

// Whether any core is protected. Any thread; async-signal-safe.
bool cores_protect_any(void);

// The program's grpc_init and grpc_shutdown calls: counted, so that a child can begin with as many.
// The second returns false when there was nothing to take back. Any thread.
void core_add_initialisation(struct core *core);
bool core_take_initialisation_back(struct core *core);

// The number of grpc_init calls that are not taken back yet.
uint32_t core_initialisations(const struct core *core);

#endif
