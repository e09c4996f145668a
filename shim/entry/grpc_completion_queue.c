// Completion queues.
#include "cores/state.h"
#include "entry/entry.h"
#include "life/first_use.h"
#include "objects/revival.h"
#include "operations/completion_queue.h"
#include "operations/pending.h"

static grpc_completion_queue *record(const struct core *core, const void *caller,
                                     grpc_completion_queue *queue,
                                     const grpc_completion_queue_attributes *attributes) {
    if (!core_records(core, caller))
        return queue;
    return completion_queue_record(core, queue, attributes);
}

grpc_completion_queue *wrapped_grpc_completion_queue_create_for_next(void *reserved) {
    struct core *core = grpc_enter(CALLER);
    return record(
        core, CALLER, core->grpc.grpc_completion_queue_create_for_next(reserved),
        &(grpc_completion_queue_attributes){.version = 1, .cq_completion_type = GRPC_CQ_NEXT});
}

grpc_completion_queue *wrapped_grpc_completion_queue_create_for_pluck(void *reserved) {
    struct core *core = grpc_enter(CALLER);
    return record(
        core, CALLER, core->grpc.grpc_completion_queue_create_for_pluck(reserved),
        &(grpc_completion_queue_attributes){.version = 1, .cq_completion_type = GRPC_CQ_PLUCK});
}

grpc_completion_queue *
wrapped_grpc_completion_queue_create_for_callback(grpc_completion_queue_functor *shutdown_callback,
                                                  void *reserved) {
    struct core *core = grpc_enter(CALLER);
    return record(core, CALLER,
                  core->grpc.grpc_completion_queue_create_for_callback(shutdown_callback, reserved),
                  &(grpc_completion_queue_attributes){.version = 2,
                                                      .cq_completion_type = GRPC_CQ_CALLBACK,
                                                      .cq_shutdown_cb = shutdown_callback});
}

grpc_completion_queue *
wrapped_grpc_completion_queue_create(const grpc_completion_queue_factory *factory,
                                     const grpc_completion_queue_attributes *attributes,
                                     void *reserved) {
    struct core *core = grpc_enter(CALLER);
    return record(core, CALLER,
                  core->grpc.grpc_completion_queue_create(factory, attributes, reserved),
                  attributes);
}

HOT grpc_event wrapped_grpc_completion_queue_next(grpc_completion_queue *queue,
                                                  gpr_timespec deadline, void *reserved) {
    struct core *core = grpc_enter(CALLER);
    return completion_queue_next(core, queue, deadline, reserved);
}

HOT grpc_event wrapped_grpc_completion_queue_pluck(grpc_completion_queue *queue, void *tag,
                                                   gpr_timespec deadline, void *reserved) {
    struct core *core = grpc_enter(CALLER);
    return completion_queue_pluck(core, queue, tag, deadline, reserved);
}

HOT void wrapped_grpc_completion_queue_shutdown(grpc_completion_queue *queue) {
    struct core *core = grpc_enter_release(CALLER);
    completion_queue_record_shutdown(queue);
    // A replacement that is made for it later is shut down at once.
    if (!grpc_is_inherited())
        core->grpc.grpc_completion_queue_shutdown(object_translate(OBJECT_COMPLETION_QUEUE, queue));
}

HOT void wrapped_grpc_completion_queue_destroy(grpc_completion_queue *queue) {
    struct core *core = grpc_enter_release(CALLER);
    grpc_completion_queue *real = object_release_handle(OBJECT_COMPLETION_QUEUE, queue);
    if (real != NULL)
        core->grpc.grpc_completion_queue_destroy(real);
}

void wrapped_grpc_completion_queue_thread_local_cache_init(grpc_completion_queue *queue) {
    struct core *core = grpc_enter(CALLER);
    core->grpc.grpc_completion_queue_thread_local_cache_init(
        object_translate(OBJECT_COMPLETION_QUEUE, queue));
}

int wrapped_grpc_completion_queue_thread_local_cache_flush(grpc_completion_queue *queue, void **tag,
                                                           int *ok) {
    struct core *core = grpc_enter(CALLER);
    int flushed = core->grpc.grpc_completion_queue_thread_local_cache_flush(
        object_translate(OBJECT_COMPLETION_QUEUE, queue), tag, ok);
    if (flushed) {
        grpc_event event = {.type = GRPC_OP_COMPLETE, .success = *ok, .tag = *tag};
        pending_complete(queue, &event);
        *tag = event.tag;
        *ok = event.success;
    }
    return flushed;
}
