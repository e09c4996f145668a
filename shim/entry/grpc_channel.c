// Channels and what is made on them.
#include "cores/state.h"
#include "descriptors/descriptors.h"
#include "entry/entry.h"
#include "life/first_use.h"
#include "objects/channel.h"
#include "objects/channel_arguments.h"
#include "objects/revival.h"
#include "operations/call.h"
#include "operations/pending.h"

static grpc_channel *record(const struct core *core, const void *caller, grpc_channel *channel,
                            const struct channel_recipe *recipe) {
    if (!core_records(core, caller))
        return channel;
    first_use_object_made();
    return channel_record(core, channel, recipe);
}

static grpc_channel_credentials *real_credentials(grpc_channel_credentials *credentials) {
    return object_translate(OBJECT_CHANNEL_CREDENTIALS, credentials);
}

grpc_channel *wrapped_grpc_channel_create(const char *target, grpc_channel_credentials *credentials,
                                          const grpc_channel_args *arguments) {
    struct core *core = grpc_enter(CALLER);
    grpc_channel_args *real = channel_arguments_begin_use(arguments);
    grpc_channel *channel =
        core->grpc.grpc_channel_create(target, real_credentials(credentials), real);
    channel_arguments_end_use(real, arguments);
    return record(core, CALLER, channel,
                  &(struct channel_recipe){.constructor = CHANNEL_CREATE,
                                           .target = target,
                                           .credentials = credentials,
                                           .arguments = arguments});
}

grpc_channel *wrapped_grpc_insecure_channel_create(const char *target,
                                                   const grpc_channel_args *arguments,
                                                   void *reserved) {
    struct core *core = grpc_enter(CALLER);
    grpc_channel_args *real = channel_arguments_begin_use(arguments);
    grpc_channel *channel = core->grpc.grpc_insecure_channel_create(target, real, reserved);
    channel_arguments_end_use(real, arguments);
    return record(core, CALLER, channel,
                  &(struct channel_recipe){.constructor = CHANNEL_CREATE_INSECURE,
                                           .target = target,
                                           .arguments = arguments});
}

grpc_channel *wrapped_grpc_secure_channel_create(grpc_channel_credentials *credentials,
                                                 const char *target,
                                                 const grpc_channel_args *arguments,
                                                 void *reserved) {
    struct core *core = grpc_enter(CALLER);
    grpc_channel_args *real = channel_arguments_begin_use(arguments);
    grpc_channel *channel = core->grpc.grpc_secure_channel_create(real_credentials(credentials),
                                                                  target, real, reserved);
    channel_arguments_end_use(real, arguments);
    return record(core, CALLER, channel,
                  &(struct channel_recipe){.constructor = CHANNEL_CREATE_SECURE,
                                           .target = target,
                                           .credentials = credentials,
                                           .arguments = arguments});
}

// gRPC owns the descriptor from now on, and its connection is this process's.
static grpc_channel *record_from_descriptor(const struct core *core, const void *caller,
                                            grpc_channel *channel, const char *target,
                                            int descriptor) {
    if (core_is_protected(core))
        descriptors_opened(-1, descriptor, -1);
    return record(
        core, caller, channel,
        &(struct channel_recipe){.constructor = CHANNEL_FROM_DESCRIPTOR, .target = target});
}

grpc_channel *wrapped_grpc_channel_create_from_fd(const char *target, int descriptor,
                                                  grpc_channel_credentials *credentials,
                                                  const grpc_channel_args *arguments) {
    struct core *core = grpc_enter(CALLER);
    grpc_channel_args *real = channel_arguments_begin_use(arguments);
    grpc_channel *channel = core->grpc.grpc_channel_create_from_fd(
        target, descriptor, real_credentials(credentials), real);
    channel_arguments_end_use(real, arguments);
    return record_from_descriptor(core, CALLER, channel, target, descriptor);
}

grpc_channel *wrapped_grpc_insecure_channel_create_from_fd(const char *target, int descriptor,
                                                           const grpc_channel_args *arguments) {
    struct core *core = grpc_enter(CALLER);
    grpc_channel_args *real = channel_arguments_begin_use(arguments);
    grpc_channel *channel =
        core->grpc.grpc_insecure_channel_create_from_fd(target, descriptor, real);
    channel_arguments_end_use(real, arguments);
    return record_from_descriptor(core, CALLER, channel, target, descriptor);
}

grpc_channel *wrapped_grpc_lame_client_channel_create(const char *target, grpc_status_code status,
                                                      const char *message) {
    struct core *core = grpc_enter(CALLER);
    return record(core, CALLER, core->grpc.grpc_lame_client_channel_create(target, status, message),
                  &(struct channel_recipe){.constructor = CHANNEL_CREATE_LAME,
                                           .target = target,
                                           .status = status,
                                           .message = message});
}

void wrapped_grpc_channel_destroy(grpc_channel *channel) {
    struct core *core = grpc_enter_release(CALLER);
    grpc_channel *real = object_release_handle(OBJECT_CHANNEL, channel);
    if (real != NULL)
        core->grpc.grpc_channel_destroy(real);
}

grpc_connectivity_state wrapped_grpc_channel_check_connectivity_state(grpc_channel *channel,
                                                                      int try_to_connect) {
    struct core *core = grpc_enter(CALLER);
    return core->grpc.grpc_channel_check_connectivity_state(
        object_translate(OBJECT_CHANNEL, channel), try_to_connect);
}

int wrapped_grpc_channel_num_external_connectivity_watchers(grpc_channel *channel) {
    struct core *core = grpc_enter(CALLER);
    return core->grpc.grpc_channel_num_external_connectivity_watchers(
        object_translate(OBJECT_CHANNEL, channel));
}

int wrapped_grpc_channel_support_connectivity_watcher(grpc_channel *channel) {
    struct core *core = grpc_enter(CALLER);
    return core->grpc.grpc_channel_support_connectivity_watcher(
        object_translate(OBJECT_CHANNEL, channel));
}

void wrapped_grpc_channel_watch_connectivity_state(grpc_channel *channel,
                                                   grpc_connectivity_state last,
                                                   gpr_timespec deadline,
                                                   grpc_completion_queue *queue, void *tag) {
    struct core *core = grpc_enter(CALLER);
    pending_begin_without_call(core, queue, &tag);
    core->grpc.grpc_channel_watch_connectivity_state(
        object_translate(OBJECT_CHANNEL, channel), last, deadline,
        object_translate(OBJECT_COMPLETION_QUEUE, queue), tag);
}

void wrapped_grpc_channel_ping(grpc_channel *channel, grpc_completion_queue *queue, void *tag,
                               void *reserved) {
    struct core *core = grpc_enter(CALLER);
    pending_begin_without_call(core, queue, &tag);
    core->grpc.grpc_channel_ping(object_translate(OBJECT_CHANNEL, channel),
                                 object_translate(OBJECT_COMPLETION_QUEUE, queue), tag, reserved);
}

char *wrapped_grpc_channel_get_target(grpc_channel *channel) {
    struct core *core = grpc_enter(CALLER);
    return core->grpc.grpc_channel_get_target(object_translate(OBJECT_CHANNEL, channel));
}

void wrapped_grpc_channel_get_info(grpc_channel *channel, const struct grpc_channel_info *info) {
    struct core *core = grpc_enter(CALLER);
    core->grpc.grpc_channel_get_info(object_translate(OBJECT_CHANNEL, channel), info);
}

void wrapped_grpc_channel_reset_connect_backoff(grpc_channel *channel) {
    struct core *core = grpc_enter(CALLER);
    core->grpc.grpc_channel_reset_connect_backoff(object_translate(OBJECT_CHANNEL, channel));
}

void *wrapped_grpc_channel_register_call(grpc_channel *channel, const char *method,
                                         const char *host, void *reserved) {
    struct core *core = grpc_enter(CALLER);
    void *handle = core->grpc.grpc_channel_register_call(object_translate(OBJECT_CHANNEL, channel),
                                                         method, host, reserved);
    if (!core_is_protected(core))
        return handle;
    return channel_record_registered_call(channel, handle, method, host);
}

HOT grpc_call *wrapped_grpc_channel_create_call(grpc_channel *channel, grpc_call *parent,
                                                uint32_t mask, grpc_completion_queue *queue,
                                                grpc_slice method, const grpc_slice *host,
                                                gpr_timespec deadline, void *reserved) {
    struct core *core = grpc_enter(CALLER);
    grpc_call *call = core->grpc.grpc_channel_create_call(
        object_translate(OBJECT_CHANNEL, channel), call_as_parent(parent), mask,
        object_translate(OBJECT_COMPLETION_QUEUE, queue), method, host, deadline, reserved);
    return core_records(core, CALLER) ? call_record(core, call, queue) : call;
}

HOT grpc_call *wrapped_grpc_channel_create_registered_call(grpc_channel *channel, grpc_call *parent,
                                                           uint32_t mask,
                                                           grpc_completion_queue *queue,
                                                           void *registered_call,
                                                           gpr_timespec deadline, void *reserved) {
    struct core *core = grpc_enter(CALLER);
    grpc_call *call = core->grpc.grpc_channel_create_registered_call(
        object_translate(OBJECT_CHANNEL, channel), call_as_parent(parent), mask,
        object_translate(OBJECT_COMPLETION_QUEUE, queue),
        object_translate(OBJECT_REGISTERED_CALL, registered_call), deadline, reserved);
    return core_records(core, CALLER) ? call_record(core, call, queue) : call;
}
