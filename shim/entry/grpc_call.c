// Calls.
#include "entry/entry.h"
#include "life/first_use.h"
#include "objects/revival.h"
#include "operations/call.h"

static grpc_call *real_call(const grpc_call *call) {
    return object_translate(OBJECT_CALL, call);
}

HOT grpc_call_error wrapped_grpc_call_start_batch(grpc_call *call, const grpc_op *operations,
                                                  size_t count, void *tag, void *reserved) {
    struct core *core = grpc_enter(CALLER);
    return call_start_batch(core, call, operations, count, tag, reserved);
}

void *wrapped_grpc_call_arena_alloc(grpc_call *call, size_t size) {
    struct core *core = grpc_enter(CALLER);
    return core->grpc.grpc_call_arena_alloc(real_call(call), size);
}

char *wrapped_grpc_call_get_peer(grpc_call *call) {
    struct core *core = grpc_enter(CALLER);
    return core->grpc.grpc_call_get_peer(real_call(call));
}

void wrapped_grpc_census_call_set_context(grpc_call *call, struct census_context *context) {
    struct core *core = grpc_enter(CALLER);
    call_record_census(call, context);
    core->grpc.grpc_census_call_set_context(real_call(call), context);
}

struct census_context *wrapped_grpc_census_call_get_context(grpc_call *call) {
    struct core *core = grpc_enter(CALLER);
    return core->grpc.grpc_census_call_get_context(real_call(call));
}

grpc_call_error wrapped_grpc_call_cancel(grpc_call *call, void *reserved) {
    struct core *core = grpc_enter(CALLER);
    return core->grpc.grpc_call_cancel(real_call(call), reserved);
}

grpc_call_error wrapped_grpc_call_cancel_with_status(grpc_call *call, grpc_status_code status,
                                                     const char *description, void *reserved) {
    struct core *core = grpc_enter(CALLER);
    return core->grpc.grpc_call_cancel_with_status(real_call(call), status, description, reserved);
}

int wrapped_grpc_call_failed_before_recv_message(const grpc_call *call) {
    struct core *core = grpc_enter(CALLER);
    return core->grpc.grpc_call_failed_before_recv_message(real_call(call));
}

grpc_call_error wrapped_grpc_call_set_credentials(grpc_call *call,
                                                  grpc_call_credentials *credentials) {
    struct core *core = grpc_enter(CALLER);
    return core->grpc.grpc_call_set_credentials(
        real_call(call), object_translate(OBJECT_CALL_CREDENTIALS, credentials));
}

grpc_auth_context *wrapped_grpc_call_auth_context(grpc_call *call) {
    struct core *core = grpc_enter(CALLER);
    return core->grpc.grpc_call_auth_context(real_call(call));
}

void wrapped_grpc_call_ref(grpc_call *call) {
    struct core *core = grpc_enter_release(CALLER);
    grpc_call *real = object_add_handle(OBJECT_CALL, call);
    if (real != NULL)
        core->grpc.grpc_call_ref(real);
}

HOT void wrapped_grpc_call_unref(grpc_call *call) {
    struct core *core = grpc_enter_release(CALLER);
    grpc_call *real = object_release_handle(OBJECT_CALL, call);
    if (real != NULL)
        core->grpc.grpc_call_unref(real);
}
