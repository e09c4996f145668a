// What the program holds: one record per live gRPC object, found by the address that the program
// knows it by.
//
// In the process that made an object, that address is gRPC's own. A child can't use it (rewinding
// made gRPC forget the object, and its memory stays allocated for ever, so that no later object can
// have the same address); there the record leads to a replacement that is built on first use.
//
// No lock is held across fork(), so a child may see a table in the middle of any change made by
// another thread. fork() gives each thread's writes in their order (a page is shared or
// write-protected as a whole, and a thread that meets the protection waits), so it is enough that
// the table can be read after every single write: a record is complete before its slot points to
// it, the slot is cleared before the record is freed, and a grown table is complete before it
// replaces the old one.
#ifndef GRPCFORKSHIM_OBJECTS_REGISTRY_H
#define GRPCFORKSHIM_OBJECTS_REGISTRY_H

#include "base/compiler.h"
#include "base/generation.h"
#include "cores/core.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum object_kind {
    OBJECT_CHANNEL,
    OBJECT_REGISTERED_CALL,
    OBJECT_COMPLETION_QUEUE,
    OBJECT_CALL,
    OBJECT_CHANNEL_CREDENTIALS,
    OBJECT_CALL_CREDENTIALS,
    OBJECT_SERVER_CREDENTIALS,
    OBJECT_TLS_OPTIONS,
    OBJECT_TLS_PROVIDER,
    OBJECT_TLS_VERIFIER,
    OBJECT_TLS_IDENTITY_PAIRS,
    OBJECT_ALTS_OPTIONS,
    OBJECT_SSL_SERVER_CONFIG,
    OBJECT_SSL_SERVER_OPTIONS,
    OBJECT_SSL_SESSION_CACHE,
    OBJECT_RESOURCE_QUOTA,
    OBJECT_SERVER,
    OBJECT_ALARM,   // of libgrpc++'s, while it runs
    OBJECT_PENDING, // an operation whose tag has not come back yet
    OBJECT_KINDS,
};

// The head of every record.
struct object {
    void *handle;                // the address that the program knows
    uintptr_t scope;             // distinguishes equal handles: the queue of a tag; 0 for the rest
    _Atomic(void *) real;        // gRPC's address of it in the processes of
    _Atomic uint32_t generation; // this generation; in later ones a replacement is due
    uint32_t made_in;            // the generation whose program made the object
    _Atomic uint32_t handles;    // the program's references to the object
    _Atomic uint32_t references; // to this record: 1 while there are handles, and other records'
    uint8_t kind;                // enum object_kind
    uint8_t core;                // whose object it is: its index
    uint32_t visit;              // the last one that came by (registry_visit)
};

// What a kind of object needs: its module defines one, and names it whenever it makes a record.
struct object_operations {
    enum object_kind kind;
    // Makes a replacement in this process from the record. NULL where it can't be made.
    void *(*build)(struct object *object);
    // Gives back what `build` made.
    void (*destroy)(const struct object *object, void *real);
    // Frees what the record owns; the record itself is freed by the caller.
    void (*dispose)(struct object *object);
};

// Fills the head for an object of the core's that was just made in this process, with one handle.
void object_initialise(struct object *object, const struct object_operations *operations,
                       const struct core *core, void *handle);

// The core that made the object, and makes its replacements. Any thread, any process.
static inline struct core *object_core(const struct object *object) {
    return cores_at(object->core);
}

// True for a record of an object that belongs to a process before this one, and is not to be used
// in this one.
static inline bool object_is_inherited(const struct object *object) {
    return object->made_in != current_generation() && core_is_protected(object_core(object));
}

// The operations of a record's kind. Any thread, any process.
const struct object_operations *object_operations(const struct object *object);

// Makes the tables, so that none is missing for want of memory when there is something to record.
// What is added before makes those that it needs. False where memory is lacking. Any thread.
bool registry_start(void);

// Adds a record; ownership passes to the registry until it is removed. Two records may have the
// same kind, handle and scope (tags). Returns false, with nothing added, where memory is lacking.
// Any thread.
bool registry_insert(struct object *object);

// The same, but nothing is added where there is a record of the same kind, handle and scope.
bool registry_insert_new(struct object *object);

// Adds the record of an object that gRPC just made. A record of the same kind and handle, then, is
// that of an object which ended without our seeing it (libgrpc++ gives back credentials by an
// inlined function) and whose address gRPC used again: it is taken out and returned in *old, else
// NULL. Returns false, with nothing changed, where memory is lacking. Any thread.
bool registry_replace(struct object *object, struct object **old);

// The record, or NULL. It stays valid as long as the program keeps the object, which is what the
// program has to do while it uses it. Any thread.
struct object *registry_find(enum object_kind kind, const void *handle, uintptr_t scope);

// The same with a reference that the caller gives back by object_unreference. For objects that gRPC
// hands out more than once (insecure credentials are a singleton since 1.51): another thread may
// give back the other one at any time. Any thread.
struct object *registry_acquire(enum object_kind kind, const void *handle, uintptr_t scope);

// What was found when handles were counted.
struct handle_count {
    bool found;
    bool inherited;        // the record is of an object that is not to be used in this process
    struct object *object; // only where the last handle was dropped: its record, now the caller's
};

// Counts one handle more, or less; with the last the record is taken out. Any thread.
struct handle_count registry_add_handle(enum object_kind kind, const void *handle);
struct handle_count registry_drop_handle(enum object_kind kind, const void *handle);

// Takes the record out and returns it, or NULL; of several equal ones any. The caller owns it
// then. Any thread.
struct object *registry_remove(enum object_kind kind, const void *handle, uintptr_t scope);

// Takes exactly this record out; false where it was not in any more. Any thread.
bool registry_remove_object(struct object *object);

// Calls `visit` for each record of a kind, once, with a reference that `visit` gives back by
// object_unreference. It may do whatever it likes with the registry but visit, and other threads
// may add and remove meanwhile: threads of a child that only give back what they inherited do so
// while another one makes its first call. What they add may be visited or not. One visit at a time.
void registry_visit(enum object_kind kind, void (*visit)(struct object *object, void *context),
                    void *context);

// Frees the locks. Child, single-threaded. Async-signal-safe.
void registry_reset_locks_in_child(void);

#endif
