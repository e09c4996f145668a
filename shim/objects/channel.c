#include "objects/channel.h"

#include "cores/functions.h"
#include "objects/channel_arguments.h"
#include "objects/revival.h"
#include "report/counters.h"

#include <stdlib.h>
#include <string.h>

struct registered_call {
    struct object object;
    struct object *channel; // not counted: a registered call ends with its channel
    struct registered_call *next;
    char *method;
    char *host;
};

struct channel {
    struct object object;
    enum channel_constructor constructor;
    char *target;
    struct object *credentials;
    // Credentials that have no record are used as they were inherited.
    const grpc_channel_credentials *inherited_credentials;
    struct channel_arguments *arguments;
    grpc_status_code status;
    char *message;
    _Atomic(struct registered_call *) registered_calls;
};

static const struct object_operations channel_operations, registered_call_operations;

static char *copy_string(const char *string) {
    return string != NULL ? strdup(string) : NULL;
}

grpc_channel *channel_record(grpc_channel *handle, const struct channel_recipe *recipe) {
    struct channel *channel = handle != NULL ? calloc(1, sizeof(*channel)) : NULL;
    if (channel == NULL)
        return handle;
    object_initialise(&channel->object, &channel_operations, handle);
    channel->constructor = recipe->constructor;
    channel->target = copy_string(recipe->target);
    channel->message = copy_string(recipe->message);
    channel->status = recipe->status;
    channel->arguments = channel_arguments_copy(recipe->arguments);
    channel->inherited_credentials = recipe->credentials;
    if (recipe->credentials != NULL)
        channel->credentials = registry_acquire(OBJECT_CHANNEL_CREDENTIALS, recipe->credentials, 0);
    object_record(&channel->object);
    return handle;
}

// A channel whose calls fail at once and say why: never a hang.
static grpc_channel *make_lame(const char *target, const char *why) {
    return grpc.grpc_lame_client_channel_create(target, GRPC_STATUS_UNAVAILABLE, why);
}

grpc_channel *channel_make_parted(void) {
    return make_lame("inproc", "the channel leads to a server in the same process, which stayed in "
                               "the parent process at fork()");
}

static grpc_channel *make(const struct channel *channel, grpc_channel_credentials *credentials,
                          const grpc_channel_args *arguments) {
    switch (channel->constructor) {
    case CHANNEL_CREATE:
        return grpc.grpc_channel_create(channel->target, credentials, arguments);
    case CHANNEL_CREATE_INSECURE:
        return grpc.grpc_insecure_channel_create(channel->target, arguments, NULL);
    case CHANNEL_CREATE_SECURE:
        return grpc.grpc_secure_channel_create(credentials, channel->target, arguments, NULL);
    case CHANNEL_CREATE_LAME:
        return grpc.grpc_lame_client_channel_create(channel->target, channel->status,
                                                    channel->message);
    case CHANNEL_FROM_DESCRIPTOR:
        return make_lame(channel->target,
                         "the channel was made from a descriptor, whose connection "
                         "belongs to the parent process since fork()");
    case CHANNEL_IN_PROCESS:
        return channel_make_parted();
    }
    return make_lame(channel->target, "the channel can't be made again after fork()");
}

static void *build(struct object *object) {
    const struct channel *channel = (const struct channel *)object;
    bool temporary;
    void *credentials = object_borrow(channel->credentials, &temporary);
    if (channel->credentials == NULL)
        credentials = (void *)(uintptr_t)channel->inherited_credentials;
    grpc_channel_args *arguments = channel_arguments_begin_use_of_copy(channel->arguments);
    grpc_channel *made = make(channel, credentials, arguments);
    object_return(channel->credentials, credentials, temporary);
    channel_arguments_end_use_of_copy(channel->arguments, arguments);
    PROBE3(channel_rebuilt, object->handle, made, channel->target);
    counters_add(COUNTER_channels_rebuilt, 1);
    return made;
}

static void destroy(void *real) {
    grpc.grpc_channel_destroy(real);
}

static void dispose(struct object *object) {
    struct channel *channel = (struct channel *)object;
    struct registered_call *call = atomic_load(&channel->registered_calls);
    while (call != NULL) {
        struct registered_call *next = call->next;
        registry_remove_object(&call->object);
        object_unreference(&call->object);
        call = next;
    }
    channel_arguments_free(channel->arguments, object_is_inherited(object));
    object_unreference(channel->credentials);
    free(channel->target);
    free(channel->message);
}

static const struct object_operations channel_operations = {OBJECT_CHANNEL, build, destroy,
                                                            dispose};

void *channel_record_registered_call(const grpc_channel *channel_handle, void *registered,
                                     const char *method, const char *host) {
    struct channel *channel = (struct channel *)registry_find(OBJECT_CHANNEL, channel_handle, 0);
    // Since 1.40 gRPC answers the same method with the same handle.
    if (channel == NULL || registered == NULL ||
        registry_find(OBJECT_REGISTERED_CALL, registered, 0) != NULL)
        return registered;
    struct registered_call *call = calloc(1, sizeof(*call));
    if (call == NULL)
        return registered;
    object_initialise(&call->object, &registered_call_operations, registered);
    call->channel = &channel->object;
    call->method = copy_string(method);
    call->host = copy_string(host);
    if (!registry_insert(&call->object)) {
        object_unreference(&call->object);
        return registered;
    }
    call->next = atomic_load(&channel->registered_calls);
    while (!atomic_compare_exchange_weak(&channel->registered_calls, &call->next, call)) {
    }
    return registered;
}

static void *build_registered_call(struct object *object) {
    const struct registered_call *call = (const struct registered_call *)object;
    bool temporary;
    grpc_channel *channel = object_borrow(call->channel, &temporary);
    return grpc.grpc_channel_register_call(channel, call->method, call->host, NULL);
}

// Registered calls end with their channel.
static void destroy_registered_call(void *real) {
    (void)real;
}

static void dispose_registered_call(struct object *object) {
    struct registered_call *call = (struct registered_call *)object;
    free(call->method);
    free(call->host);
}

static const struct object_operations registered_call_operations = {
    OBJECT_REGISTERED_CALL, build_registered_call, destroy_registered_call,
    dispose_registered_call};
