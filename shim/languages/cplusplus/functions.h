// What is known of libgrpc++ beside each core: the real functions behind those that are bound, and
// some that are called. Each core has a libgrpc++ of its own, if any.
//
// Parameters and results that are not looked at here are words, or addresses of whatever it is.
#ifndef GRPCFORKSHIM_LANGUAGES_CPLUSPLUS_FUNCTIONS_H
#define GRPCFORKSHIM_LANGUAGES_CPLUSPLUS_FUNCTIONS_H

#include "cores/core.h"
#include "cores/grpc_abi.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct closure;
struct shared_pointer;
struct standard_function;

// An object that is returned by the address of its place.
struct returned_words {
    uintptr_t words[4];
};

// All NULL but for what this version of libgrpc++ imports; see the tables of bindings.
struct cplusplus_functions {
    // Calls (cplusplus.c).
    void *create_call;
    void (*run_for_queue)(const grpc_call *call, void *reaction);
    void (*run_in_event_engine)(const grpc_call *call, void *reaction);
    // Channels (channel.c).
    grpc_channel *(*create_in_process)(grpc_server *server, grpc_channel_args *arguments,
                                       void *reserved);
    uintptr_t (*set_crl_provider)(void *options, void *provider);
    // Callback servers (allocator.c).
    void (*set_registered_allocator)(void *server, grpc_completion_queue *queue, void *method,
                                     struct standard_function *allocator);
    void (*set_batch_allocator)(void *server, grpc_completion_queue *queue,
                                struct standard_function *allocator);
    // Threads (thread.c).
    void (*construct_thread)(void *thread, const char *name, void (*body)(void *argument),
                             void *argument, bool *success, const void *options);
    void (*release_callback_queue)(void *queue);
    // Operations that alarms begin and end (alarm.c).
    bool (*begin_operation)(void *queue, void *tag);
    void (*end_operation)(void *queue, void *tag, uintptr_t error, void *done, void *argument,
                          void *storage, uintptr_t internal);
    void (*reference_queue)(void *queue, uintptr_t b, uintptr_t c, uintptr_t d);
    void (*unreference_queue)(void *queue, uintptr_t b, uintptr_t c, uintptr_t d);
    // Timers (timer.c).
    void (*unset_timer)(void *timer);
    void (*set_timer)(void *timer, uintptr_t deadline, struct closure *closure);
    void (*cancel_timer)(void *timer);
    // absl::CancelledError(std::string_view).
    struct returned_words (*make_cancelled)(const char *text, size_t length);
    // Tasks (task.c). grpc::Alarm::Cancel() takes the alarm by its only member.
    void (*set_tag)(void *alarm, void *queue, gpr_timespec deadline, void *tag);
    void (*set_function)(void *alarm, gpr_timespec deadline, void *function);
    void (*cancel_alarm)(void *alarm);
    bool tasks_tried; // to bind the functions of event engines
    bool tasks_bound; // alarms are known by their tasks
    // Event engines (engine.c).
    struct shared_pointer *(*get_engine)(struct shared_pointer *result, uintptr_t b, uintptr_t c);
};

// Not to be used directly. On the heap: the library's variables are to fit one page.
extern struct cplusplus_functions **cplusplus_functions;

// Those beside this core; NULL where nothing of libgrpc++'s was bound to it yet. Any thread.
static inline struct cplusplus_functions *cplusplus_functions_of(const struct core *core) {
    return cplusplus_functions != NULL ? cplusplus_functions[core->index] : NULL;
}

// The same, made if need be; NULL where memory is lacking. One thread.
struct cplusplus_functions *cplusplus_functions_make(const struct core *core);

// The first image that defines this symbol for the core and what is bound to it: the core's own
// image, or another one. One thread, with the loader at hand.
bool cplusplus_defining(const struct core *core, const char *name, struct image *found);

#endif
