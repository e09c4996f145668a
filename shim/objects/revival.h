// From the handle that the program holds to the object that gRPC knows in this process.
#ifndef GRPCFORKSHIM_OBJECTS_REVIVAL_H
#define GRPCFORKSHIM_OBJECTS_REVIVAL_H

#include "base/generation.h"
#include "objects/registry.h"

// The message of every call that a fork ended.
#define CANCELLED_BY_FORK                                                                          \
    "the call was inherited through fork(); it goes on in the parent process only"

// The object's replacement in this process, built now if need be. A handle without a record is
// returned as it is. Any thread of a child; the slow way of the next function.
void *revival_translate(enum object_kind kind, const void *handle);

// gRPC's address of the program's object. Any thread, any process that has passed grpc_enter.
static inline void *object_translate(enum object_kind kind, const void *handle) {
    if (likely(current_generation() == 0) || handle == NULL)
        return (void *)handle;
    return revival_translate(kind, handle);
}

// gRPC's address of the object of a record that the caller holds a reference to, for use in one
// call. Where the program has already released the object, it is built for this one use and
// *temporary says that object_return must end it. NULL for NULL. Any thread.
void *object_borrow(struct object *object, bool *temporary);
void object_return(struct object *object, void *real, bool temporary);

// Builds another one from the record, which belongs to the caller. Any thread of a child.
void *object_build(struct object *object);

// Counts another reference of the program. Returns the address to pass on to gRPC, or NULL where
// gRPC has no object of its own to count for (an inherited one is counted here).
void *object_add_handle(enum object_kind kind, const void *handle);

// Takes back a reference of the program and forgets the object with the last. Returns the address
// to release in gRPC, or NULL where nothing is to be released in this process. It has to be called
// before gRPC frees the object: its address may be used again at once.
void *object_release_handle(enum object_kind kind, const void *handle);

// Adds the record of an object that gRPC just made; frees it where that can't be done. Any thread.
void object_record(struct object *object);

// Gives back a reference to a record (see registry_acquire); the last frees it. NULL is ignored.
// Any thread.
void object_unreference(struct object *object);

// Locks of this module. Child, single-threaded, async-signal-safe.
void revival_reset_locks_in_child(void);

#endif
