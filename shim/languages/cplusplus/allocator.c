#include "languages/cplusplus/allocator.h"

#include "base/compiler.h"
#include "base/generation.h"
#include "base/log.h"
#include "base/record_memory.h"
#include "cores/scope.h"
#include "languages/cplusplus/functions.h"
#include "objects/revival.h"
#include "operations/completion_queue.h"

// src/core/lib/surface/server.h, later src/core/server/server.h. They have had the queue as long as
// the shared queue has been one that is polled (1.37); before that it was a callback queue.
struct registered_call_allocation {
    void *others[5];
    grpc_completion_queue *queue;
};
struct batch_call_allocation {
    void *others[4];
    grpc_completion_queue *queue;
};

// Neither may be one with the other: the caller has made room for the result.
typedef struct registered_call_allocation allocate_registered(void *const *storage);
typedef struct batch_call_allocation allocate_batch(void *const *storage);

static grpc_completion_queue *real_queue(grpc_completion_queue *queue) {
    return object_translate(OBJECT_COMPLETION_QUEUE, queue);
}

// Our functions hold the address of a copy of libgrpc++'s.
static struct registered_call_allocation allocate_registered_translated(void *const *storage) {
    const struct standard_function *allocator = storage[0];
    struct registered_call_allocation allocation =
        ((allocate_registered *)(uintptr_t)allocator->invoke)(allocator->storage);
    allocation.queue = real_queue(allocation.queue);
    return allocation;
}

static struct batch_call_allocation allocate_batch_translated(void *const *storage) {
    const struct standard_function *allocator = storage[0];
    struct batch_call_allocation allocation =
        ((allocate_batch *)(uintptr_t)allocator->invoke)(allocator->storage);
    allocation.queue = real_queue(allocation.queue);
    return allocation;
}

// One for each method of a server: they are not given back before the process ends.
static int manage(void **to, void *const *from, int operation) {
    if (operation == MANAGE_CLONE)
        to[0] = from[0];
    return 0;
}

// True where `own` is to be handed to gRPC in place of the allocator.
static bool translates(const grpc_completion_queue *queue, struct standard_function *allocator,
                       void *invoke, struct standard_function *own) {
    if (likely(current_generation() == 0) || allocator->manage == NULL ||
        real_queue((grpc_completion_queue *)queue) == queue ||
        completion_queue_type(queue) == GRPC_CQ_CALLBACK)
        return false;
    struct standard_function *copy = record_allocate(sizeof(*copy));
    if (copy == NULL) {
        log_write(LOG_ERROR, "out of memory, the methods of a server that is made in this process "
                             "won't be called");
        return false;
    }
    *copy = *allocator;
    allocator->manage(copy->storage, allocator->storage, MANAGE_CLONE);
    *own = (struct standard_function){
        .storage = {copy}, .manage = manage, .invoke = (void (*)(void *const *))(uintptr_t)invoke};
    // cppcheck-suppress memleak ; gRPC has it, in the function
    return true;
}

void cplusplus_set_registered_allocator(void *server, grpc_completion_queue *queue, void *method,
                                        struct standard_function *allocator) {
    const struct cplusplus_functions *real = cplusplus_functions_of(core_of(CALLER));
    struct standard_function own;
    bool other =
        translates(queue, allocator, (void *)(uintptr_t)allocate_registered_translated, &own);
    real->set_registered_allocator(server, real_queue(queue), method, other ? &own : allocator);
}

void cplusplus_set_batch_allocator(void *server, grpc_completion_queue *queue,
                                   struct standard_function *allocator) {
    const struct cplusplus_functions *real = cplusplus_functions_of(core_of(CALLER));
    struct standard_function own;
    bool other = translates(queue, allocator, (void *)(uintptr_t)allocate_batch_translated, &own);
    real->set_batch_allocator(server, real_queue(queue), other ? &own : allocator);
}
