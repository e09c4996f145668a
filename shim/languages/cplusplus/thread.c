#include "languages/cplusplus/thread.h"

#include "base/compiler.h"
#include "base/generation.h"
#include "cores/scope.h"
#include "cores/state.h"
#include "languages/cplusplus/functions.h"
#include "operations/delivery.h"
#include "operations/thread.h"

#include <stddef.h>
#include <stdint.h>

// src/core/lib/gprpp/thd.h, later src/core/util/thd.h: Thread(name, body, argument, success,
// options), the same from 1.30 to 1.83. All parameters are pointers.
void cplusplus_construct_thread(void *thread, const char *name, void (*body)(void *argument),
                                void *argument, bool *success, const void *options) {
    struct core *core = core_of(CALLER);
    const struct cplusplus_functions *real = cplusplus_functions_of(core);
    bool own_success = false;
    bool *outcome = success != NULL ? success : &own_success;
    struct thread *record = core_is_protected(core) ? thread_record(body, argument, name) : NULL;
    if (record == NULL) {
        real->construct_thread(thread, name, body, argument, outcome, options);
        return;
    }
    real->construct_thread(thread, name, thread_run, record, outcome, options);
    if (!*outcome)
        thread_forget(record);
}

// Whether this thread is in the function below.
static THREAD_LOCAL int releasing;

void cplusplus_release_callback_queue(void *queue) {
    const struct cplusplus_functions *real = cplusplus_functions_of(core_of(CALLER));
    // A child that has not used gRPC, at its end: the queue's threads are not there, and it would
    // start gRPC only to shut the queue down, calling back into a program that is being destroyed.
    if (grpc_is_inherited())
        return;
    // Nor one that is exiting: an operation that was dropped may be one that the queue waits for
    // (those of a call with interceptors are), and its threads would never return.
    if (delivery_is_over())
        return;
    releasing++;
    thread_joins_begin();
    real->release_callback_queue(queue);
    releasing--;
}

bool cplusplus_joins(pthread_t thread) {
    return unlikely(releasing > 0) && current_generation() > 0 && thread_join_inherited(thread);
}
