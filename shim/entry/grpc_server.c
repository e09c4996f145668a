// Servers. Those of the parent do nothing in a child and end at once.
#include "cores/state.h"
#include "descriptors/descriptors.h"
#include "entry/entry.h"
#include "life/first_use.h"
#include "objects/channel_arguments.h"
#include "objects/revival.h"
#include "operations/call.h"
#include "operations/pending.h"
#include "operations/server.h"

static grpc_completion_queue *real_queue(grpc_completion_queue *queue) {
    return object_translate(OBJECT_COMPLETION_QUEUE, queue);
}

static grpc_server_credentials *real_credentials(grpc_server_credentials *credentials) {
    return object_translate(OBJECT_SERVER_CREDENTIALS, credentials);
}

grpc_server *wrapped_grpc_server_create(const grpc_channel_args *arguments, void *reserved) {
    struct core *core = grpc_enter(CALLER);
    if (core_records(core, CALLER))
        first_use_object_made();
    grpc_channel_args *real = channel_arguments_begin_use(arguments);
    grpc_server *server = core->grpc.grpc_server_create(real, reserved);
    channel_arguments_end_use(real, arguments);
    return core_records(core, CALLER) ? server_record(core, server) : server;
}

void wrapped_grpc_server_register_completion_queue(grpc_server *server,
                                                   grpc_completion_queue *queue, void *reserved) {
    struct core *core = grpc_enter(CALLER);
    if (server_is_inherited(server))
        return;
    server_note_queue(server, queue);
    core->grpc.grpc_server_register_completion_queue(server, real_queue(queue), reserved);
}

void *wrapped_grpc_server_register_method(grpc_server *server, const char *method, const char *host,
                                          int payload_handling, uint32_t flags) {
    struct core *core = grpc_enter(CALLER);
    if (server_is_inherited(server))
        return NULL;
    return core->grpc.grpc_server_register_method(server, method, host, payload_handling, flags);
}

int wrapped_grpc_server_add_http2_port(grpc_server *server, const char *address,
                                       grpc_server_credentials *credentials) {
    struct core *core = grpc_enter(CALLER);
    if (server_is_inherited(server))
        return 0;
    return core->grpc.grpc_server_add_http2_port(server, address, real_credentials(credentials));
}

int wrapped_grpc_server_add_insecure_http2_port(grpc_server *server, const char *address) {
    struct core *core = grpc_enter(CALLER);
    if (server_is_inherited(server))
        return 0;
    return core->grpc.grpc_server_add_insecure_http2_port(server, address);
}

int wrapped_grpc_server_add_secure_http2_port(grpc_server *server, const char *address,
                                              grpc_server_credentials *credentials) {
    struct core *core = grpc_enter(CALLER);
    if (server_is_inherited(server))
        return 0;
    return core->grpc.grpc_server_add_secure_http2_port(server, address,
                                                        real_credentials(credentials));
}

// gRPC owns the descriptor from now on, and its connection is this process's.
static bool takes_descriptor(const struct core *core, const grpc_server *server, int descriptor) {
    bool takes = !server_is_inherited(server);
    if (takes && core_is_protected(core))
        descriptors_opened(-1, descriptor, -1);
    return takes;
}

void wrapped_grpc_server_add_channel_from_fd(grpc_server *server, int descriptor,
                                             grpc_server_credentials *credentials) {
    struct core *core = grpc_enter(CALLER);
    if (takes_descriptor(core, server, descriptor))
        core->grpc.grpc_server_add_channel_from_fd(server, descriptor,
                                                   real_credentials(credentials));
}

void wrapped_grpc_server_add_insecure_channel_from_fd(grpc_server *server, void *reserved,
                                                      int descriptor) {
    struct core *core = grpc_enter(CALLER);
    if (takes_descriptor(core, server, descriptor))
        core->grpc.grpc_server_add_insecure_channel_from_fd(server, reserved, descriptor);
}

void wrapped_grpc_server_set_config_fetcher(grpc_server *server, void *fetcher) {
    struct core *core = grpc_enter(CALLER);
    if (!server_is_inherited(server))
        core->grpc.grpc_server_set_config_fetcher(server, fetcher);
}

void wrapped_grpc_server_start(grpc_server *server) {
    struct core *core = grpc_enter(CALLER);
    if (!server_is_inherited(server))
        core->grpc.grpc_server_start(server);
}

// A request to an inherited server fails, as one to a server that was shut down.
static grpc_call_error fail_request(const struct core *core, grpc_call **call,
                                    grpc_completion_queue *queue, void *tag) {
    server_say_not_serving();
    *call = NULL;
    pending_start_finished(core, queue, 0, tag);
    return GRPC_CALL_OK;
}

static grpc_call_error end_request(struct pending *pending, grpc_call_error error) {
    if (error != GRPC_CALL_OK)
        pending_cancel(pending);
    return error;
}

grpc_call_error wrapped_grpc_server_request_call(grpc_server *server, grpc_call **call,
                                                 struct grpc_call_details *details,
                                                 grpc_metadata_array *metadata,
                                                 grpc_completion_queue *queue_of_call,
                                                 grpc_completion_queue *queue, void *tag) {
    struct core *core = grpc_enter(CALLER);
    if (server_is_inherited(server))
        return fail_request(core, call, queue, tag);
    struct pending *pending = pending_begin_request(core, queue, call, queue_of_call, &tag);
    return end_request(pending, core->grpc.grpc_server_request_call(server, call, details, metadata,
                                                                    real_queue(queue_of_call),
                                                                    real_queue(queue), tag));
}

grpc_call_error wrapped_grpc_server_request_registered_call(
    grpc_server *server, void *method, grpc_call **call, gpr_timespec *deadline,
    grpc_metadata_array *metadata, grpc_byte_buffer **payload, grpc_completion_queue *queue_of_call,
    grpc_completion_queue *queue, void *tag) {
    struct core *core = grpc_enter(CALLER);
    if (server_is_inherited(server))
        return fail_request(core, call, queue, tag);
    struct pending *pending = pending_begin_request(core, queue, call, queue_of_call, &tag);
    return end_request(pending, core->grpc.grpc_server_request_registered_call(
                                    server, method, call, deadline, metadata, payload,
                                    real_queue(queue_of_call), real_queue(queue), tag));
}

void wrapped_grpc_server_shutdown_and_notify(grpc_server *server, grpc_completion_queue *queue,
                                             void *tag) {
    struct core *core = grpc_enter(CALLER);
    if (server_is_inherited(server)) {
        pending_start_finished(core, queue, 1, tag);
        return;
    }
    pending_begin_without_call(core, queue, &tag);
    core->grpc.grpc_server_shutdown_and_notify(server, real_queue(queue), tag);
}

void wrapped_grpc_server_cancel_all_calls(grpc_server *server) {
    struct core *core = grpc_enter(CALLER);
    if (!server_is_inherited(server))
        core->grpc.grpc_server_cancel_all_calls(server);
}

void wrapped_grpc_server_destroy(grpc_server *server) {
    struct core *core = grpc_enter_release(CALLER);
    bool inherited = server_is_inherited(server);
    grpc_server *real = object_release_handle(OBJECT_SERVER, server);
    if (real != NULL && !inherited)
        core->grpc.grpc_server_destroy(real);
}
