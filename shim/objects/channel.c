#include "objects/channel.h"

#include "base/record_memory.h"
#include "objects/channel_arguments.h"
#include "objects/revival.h"
#include "report/counters.h"

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

// False where memory is lacking.
static bool copy_recipe(struct channel *channel, const struct channel_recipe *recipe) {
    channel->constructor = recipe->constructor;
    channel->target = record_copy_text(recipe->target);
    channel->message = record_copy_text(recipe->message);
    channel->status = recipe->status;
    channel->arguments = channel_arguments_copy(recipe->arguments);
    return (channel->target != NULL || recipe->target == NULL) &&
           (channel->message != NULL || recipe->message == NULL) &&
           (channel->arguments != NULL || recipe->arguments == NULL);
}

static void say_lost(void) {
    static bool said;
    log_once(said, LOG_ERROR,
             "can't record how a channel was made, out of memory, calls of children on it fail");
}

grpc_channel *channel_record(const struct core *core, grpc_channel *handle,
                             const struct channel_recipe *recipe) {
    if (handle == NULL)
        return NULL;
    struct channel *channel = record_allocate_zeroed(sizeof(*channel));
    if (channel == NULL) {
        RECORD_LOST("a channel");
        return handle;
    }
    object_initialise(&channel->object, &channel_operations, core, handle);
    if (!copy_recipe(channel, recipe)) {
        channel->constructor = CHANNEL_LOST;
        say_lost();
    }
    channel->inherited_credentials = recipe->credentials;
    if (recipe->credentials != NULL)
        channel->credentials = registry_acquire(OBJECT_CHANNEL_CREDENTIALS, recipe->credentials, 0);
    object_record(&channel->object);
    return handle;
}

// A channel whose calls fail at once and say why: never a hang.
static grpc_channel *make_lame(const struct core *core, const char *target, const char *why) {
    return core->grpc.grpc_lame_client_channel_create(target, GRPC_STATUS_UNAVAILABLE, why);
}

grpc_channel *channel_make_parted(const struct core *core) {
    return make_lame(core, "inproc",
                     "the channel leads to a server in the same process, which stayed in "
                     "the parent process at fork()");
}

static grpc_channel *make(const struct channel *channel, grpc_channel_credentials *credentials,
                          const grpc_channel_args *arguments) {
    const struct core *core = object_core(&channel->object);
    switch (channel->constructor) {
    case CHANNEL_CREATE:
        return core->grpc.grpc_channel_create(channel->target, credentials, arguments);
    case CHANNEL_CREATE_INSECURE:
        return core->grpc.grpc_insecure_channel_create(channel->target, arguments, NULL);
    case CHANNEL_CREATE_SECURE:
        return core->grpc.grpc_secure_channel_create(credentials, channel->target, arguments, NULL);
    case CHANNEL_CREATE_LAME:
        return core->grpc.grpc_lame_client_channel_create(channel->target, channel->status,
                                                          channel->message);
    case CHANNEL_FROM_DESCRIPTOR:
        return make_lame(core, channel->target,
                         "the channel was made from a descriptor, whose connection "
                         "belongs to the parent process since fork()");
    case CHANNEL_IN_PROCESS:
        return channel_make_parted(core);
    case CHANNEL_LOST:
        break;
    }
    return make_lame(core, channel->target != NULL ? channel->target : "unknown",
                     "the channel can't be made again after fork(): when it was made there was no "
                     "memory to record how");
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

static void destroy(const struct object *object, void *real) {
    object_core(object)->grpc.grpc_channel_destroy(real);
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
    record_free(channel->target);
    record_free(channel->message);
}

static const struct object_operations channel_operations = {OBJECT_CHANNEL, build, destroy,
                                                            dispose};

static struct registered_call *make_registered_call(struct object *channel, void *registered,
                                                    const char *method, const char *host) {
    struct registered_call *call = record_allocate_zeroed(sizeof(*call));
    if (call == NULL) {
        RECORD_LOST("a registered call");
        return NULL;
    }
    object_initialise(&call->object, &registered_call_operations, object_core(channel), registered);
    call->channel = channel;
    call->method = record_copy_text(method);
    call->host = record_copy_text(host);
    if ((call->method != NULL || method == NULL) && (call->host != NULL || host == NULL))
        return call;
    RECORD_LOST("a registered call");
    object_unreference(&call->object);
    return NULL;
}

void *channel_record_registered_call(const grpc_channel *channel_handle, void *registered,
                                     const char *method, const char *host) {
    struct channel *channel = (struct channel *)registry_find(OBJECT_CHANNEL, channel_handle, 0);
    // Since 1.40 gRPC answers the same method with the same handle.
    if (channel == NULL || registered == NULL ||
        registry_find(OBJECT_REGISTERED_CALL, registered, 0) != NULL)
        return registered;
    struct registered_call *call = make_registered_call(&channel->object, registered, method, host);
    if (call == NULL)
        return registered;
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
    return object_core(object)->grpc.grpc_channel_register_call(channel, call->method, call->host,
                                                                NULL);
}

// Registered calls end with their channel.
static void destroy_registered_call(const struct object *object, void *real) {
    (void)object;
    (void)real;
}

static void dispose_registered_call(struct object *object) {
    struct registered_call *call = (struct registered_call *)object;
    record_free(call->method);
    record_free(call->host);
}

static const struct object_operations registered_call_operations = {
    OBJECT_REGISTERED_CALL, build_registered_call, destroy_registered_call,
    dispose_registered_call};
