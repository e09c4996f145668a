// The event engine that objects of libgrpc++ hold (alarms, thread pools).
//
// They share it with the core by a std::shared_ptr; whoever gives it back last destroys it, and its
// destructor waits for its threads (measured on 1.83: grpc::Alarm's destructor hung in
// ~PosixEventEngine). In a child an inherited engine has none. So a child holds one share more, for
// ever, and an object that is used again there is given the child's own engine.
#ifndef GRPCFORKSHIM_LANGUAGES_CPLUSPLUS_ENGINE_H
#define GRPCFORKSHIM_LANGUAGES_CPLUSPLUS_ENGINE_H

#include "languages/cplusplus/binding.h"

#include <stdbool.h>
#include <stdint.h>

// The function that libgrpc++ gets the engine by, to be bound. Empty on other machines than x86-64.
extern const struct binding_table cplusplus_engine_bindings;

// Keeps the parent's engine. Child, right after the fork; async-signal-safe.
void cplusplus_keep_engine(void);

// True for an engine of a process before this one. Any thread.
bool engine_is_inherited(const void *engine);

// Puts a share of this process's engine where an object of libgrpc++ that begins here has one of
// that inherited engine. Returns this process's engine, or the inherited one where the object has
// no such share in its first words. gRPC is initialised. Any thread of a child.
void *engine_adopt(void *object, void *inherited);

// absl::AnyInvocable<void()> (absl/functional/internal/any_invocable.h): an object of two words, or
// the address of a larger one; how it is moved and destroyed, and how it is called. `manage` is
// told by its first argument which it is to do, by numbers that have changed; to be destroyed is
// what it is given for both of the others.
struct invocable {
    _Alignas(16) void *words[2];
    void (*manage)(unsigned char operation, void **from, void **to);
    void (*invoke)(void **words);
};

// EventEngine::TaskHandle.
struct task_handle {
    intptr_t keys[2];
};

// What an engine is asked for by others than the core (include/grpc/event_engine/event_engine.h).
// Functions are passed by address, times in nanoseconds.
struct engine_functions {
    struct task_handle (*run_after)(void *engine, int64_t delay, struct invocable *function);
    bool (*cancel)(void *engine, struct task_handle task);
    void (*run)(void *engine, struct invocable *function);
};

// Puts these in front of the functions of every class of engines that the core has, where all three
// are found by their names. After the bindings were applied; one at a time, with the loader at
// hand. Returns whether there is such a class.
bool engine_bind(const struct image *core, const struct engine_functions *own);

// The real functions of an engine whose class was bound.
const struct engine_functions *engine_functions_of(const void *engine);

#endif
