#include "operations/call.h"

#include "base/record_memory.h"
#include "objects/revival.h"
#include "operations/completion_queue.h"
#include "operations/pending.h"

struct call {
    struct object object;
    const grpc_completion_queue *queue; // the program's handle
    grpc_cq_completion_type queue_type;
    _Atomic(struct census_context *) census;
};

static const struct object_operations operations;

HOT grpc_call *call_record(const struct core *core, grpc_call *handle,
                           const grpc_completion_queue *queue) {
    if (handle == NULL)
        return NULL;
    struct call *call = record_allocate(sizeof(*call));
    if (unlikely(call == NULL)) {
        RECORD_LOST("a call");
        return handle;
    }
    object_initialise(&call->object, &operations, core, handle);
    call->queue = queue;
    call->queue_type = completion_queue_type(queue);
    atomic_init(&call->census, NULL);
    object_record(&call->object);
    return handle;
}

HOT grpc_call_error call_start_batch(const struct core *core, grpc_call *handle,
                                     const grpc_op *operations, size_t count, void *tag,
                                     void *reserved) {
    const struct call *call = (const struct call *)registry_find(OBJECT_CALL, handle, 0);
    if (call == NULL)
        return core->grpc.grpc_call_start_batch(handle, operations, count, tag, reserved);
    if (unlikely(object_is_inherited(&call->object))) {
        pending_start_failed(core, (grpc_completion_queue *)call->queue, handle, operations, count,
                             tag);
        return GRPC_CALL_OK;
    }
    struct pending *pending =
        pending_begin(core, call->queue, call->queue_type, handle, operations, count, &tag);
    grpc_call_error error =
        core->grpc.grpc_call_start_batch(handle, operations, count, tag, reserved);
    if (unlikely(error != GRPC_CALL_OK))
        pending_cancel(pending);
    return error;
}

// libgrpc++ sets it for every call, nearly always to NULL, which a call begins with.
void call_record_census(const grpc_call *handle, struct census_context *context) {
    static _Atomic bool used;
    if (likely(context == NULL && !atomic_load_explicit(&used, memory_order_relaxed)))
        return;
    atomic_store(&used, true);
    struct object *object = registry_find(OBJECT_CALL, handle, 0);
    if (object != NULL)
        atomic_store(&((struct call *)object)->census, context);
}

HOT grpc_call *call_as_parent(grpc_call *handle) {
    const struct object *call = handle != NULL ? registry_find(OBJECT_CALL, handle, 0) : NULL;
    return call != NULL && object_is_inherited(call) ? NULL : handle;
}

grpc_call *call_make_lame(const struct core *core, grpc_completion_queue *real_queue) {
    // Short enough to lie inside the slice: nothing to release.
    grpc_slice method = core->grpc.grpc_slice_from_copied_string("/fork");
    gpr_timespec never = {.tv_sec = INT64_MAX, .tv_nsec = 0, .clock_type = GPR_CLOCK_MONOTONIC};
    grpc_channel *channel = core->grpc.grpc_lame_client_channel_create(
        "fork", GRPC_STATUS_CANCELLED, CANCELLED_BY_FORK);
    if (channel == NULL)
        return NULL;
    grpc_call *call = core->grpc.grpc_channel_create_call(channel, NULL, GRPC_PROPAGATE_DEFAULTS,
                                                          real_queue, method, NULL, never, NULL);
    core->grpc.grpc_channel_destroy(channel); // the call keeps it
    return call;
}

static void *build(struct object *object) {
    const struct call *call = (const struct call *)object;
    const struct core *core = object_core(object);
    // A queue that the program has destroyed meanwhile must not reach gRPC.
    bool known = registry_find(OBJECT_COMPLETION_QUEUE, call->queue, 0) != NULL;
    grpc_call *made =
        call_make_lame(core, known ? object_translate(OBJECT_COMPLETION_QUEUE, call->queue) : NULL);
    struct census_context *census = atomic_load(&call->census);
    if (made != NULL && census != NULL)
        core->grpc.grpc_census_call_set_context(made, census);
    return made;
}

static void destroy(const struct object *object, void *real) {
    object_core(object)->grpc.grpc_call_unref(real);
}

HOT static void dispose(struct object *object) {
    (void)object;
}

static const struct object_operations operations = {OBJECT_CALL, build, destroy, dispose};
