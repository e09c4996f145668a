// Objects that are made again by their recipe: the calls that made them, repeated in order.
//
// Credentials and what they are made of (options, certificate providers, verifiers, key pairs) hold
// locks, threads and indices of the process that made them, so a child doesn't use the parent's. It
// makes its own: the call that created the object and those that changed it are recorded, with
// copies of what their arguments point to, and called again with the same arguments, in which
// handles lead to replacements in their turn.
//
// There are some forty such functions, and each version of gRPC adds some: one mechanism for
// all. A wrapper says what kind each argument is. Two kinds need care: what is consumed (options
// become part of the credentials, key pairs of a provider) is made anew for each use, and its
// record ends with the consumer's; what may be changed after the call (ALTS options) is recorded
// as it was. What consumed something unknown is not recorded at all: half a recipe would make
// other credentials than the program's.
//
// The parent's objects can't simply be used: a watcher of certificate files has a thread, which
// stayed in the parent, so that the child would go on with the certificates of the fork for ever
// (the test shows it), and each has locks.
#ifndef GRPCFORKSHIM_OBJECTS_RECIPE_H
#define GRPCFORKSHIM_OBJECTS_RECIPE_H

#include "cores/core.h"
#include "objects/registry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum argument_kind {
    ARGUMENT_NONE,     // behind the last one
    ARGUMENT_WORD,     // an integer, or an address that means the same in every process
    ARGUMENT_TEXT,     // a string
    ARGUMENT_TEXTS,    // the address of `size` strings, as a struct or an array
    ARGUMENT_BLOCK,    // the address of `size` bytes, all of them words; see `destroy` below
    ARGUMENT_OBJECT,   // a handle
    ARGUMENT_SNAPSHOT, // a handle of what may be changed after the call, which does not matter to
                       // it
    ARGUMENT_CONSUMED, // a handle that belongs to the result from now on
    ARGUMENT_SELF,     // the object that is changed
};

// Small: each wrapper fills in some of them.
struct argument {
    uint8_t kind;   // an enum argument_kind
    uint8_t object; // an enum object_kind, of a handle
    // The offset of a function in the block that ends what the program gave with it, or 0: that is
    // done by the process that was given it, and not by those that make the object again.
    uint16_t destroy;
    uint32_t size;
    uintptr_t value;
};

// As many as fit into registers on every machine: they are passed as words.
#define ARGUMENTS_MAXIMUM 6

struct step {
    // A function of the core's, by MEMBER, or one of ours, by ADAPTER.
    uintptr_t function;
    struct argument arguments[ARGUMENTS_MAXIMUM];
};

#define WORD(v)                                                                                    \
    { .kind = ARGUMENT_WORD, .value = (uintptr_t)(v) }
#define TEXT(v)                                                                                    \
    { .kind = ARGUMENT_TEXT, .value = (uintptr_t)(v) }
#define TEXTS(v, count)                                                                            \
    { .kind = ARGUMENT_TEXTS, .value = (uintptr_t)(v), .size = (uint32_t)(count) }
#define BLOCK(v, bytes, destroy_at)                                                                \
    { .kind = ARGUMENT_BLOCK, .value = (uintptr_t)(v), .size = (bytes), .destroy = (destroy_at) }
#define OBJECT(of, v)                                                                              \
    { .kind = ARGUMENT_OBJECT, .object = (of), .value = (uintptr_t)(v) }
#define SNAPSHOT(of, v)                                                                            \
    { .kind = ARGUMENT_SNAPSHOT, .object = (of), .value = (uintptr_t)(v) }
#define CONSUMED(of, v)                                                                            \
    { .kind = ARGUMENT_CONSUMED, .object = (of), .value = (uintptr_t)(v) }
#define SELF(of, v)                                                                                \
    { .kind = ARGUMENT_SELF, .object = (of), .value = (uintptr_t)(v) }
#define STEP(function, ...) (&(struct step){(function), {__VA_ARGS__}})

// A function of gRPC's.
#define MEMBER(name) ((uintptr_t)offsetof(struct grpc_functions, name))

// A function of ours that adapts one of gRPC's, which has other parameters than words: it is given
// the core and at most five of the arguments.
#define ADAPTER(name) ((uintptr_t)(name))

// Makes an object of the core's by this call, in which handles are translated, and records it where
// `records` says that it is the program's (core_records). Returns what the function does, which is
// the handle. Any thread that has passed grpc_enter.
void *recipe_make(struct core *core, bool records, enum object_kind kind, const struct step *step);

// Records what the program just made, as if by this call. Returns the handle. As above.
void *recipe_record(struct core *core, bool records, enum object_kind kind, void *handle,
                    const struct step *step);

// Changes an object by this call and records that. Returns what the function does. As above; not
// while another thread changes or uses the same object, as gRPC demands.
uintptr_t recipe_change(struct core *core, bool records, enum object_kind kind, const void *handle,
                        const struct step *step);

// Records what gRPC returned as a copy of another object of the same kind. Returns it. As above.
void *recipe_record_copy(struct core *core, bool records, enum object_kind kind, void *handle,
                         const void *original);

// Forgets how an object of this process was made: something was done to it that can't be repeated,
// so children use it as they inherited it. Any thread.
void recipe_forget(enum object_kind kind, const void *handle);

#endif
