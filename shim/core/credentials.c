#include "core/credentials.h"

#include "core/functions.h"
#include "core/revival.h"

#include <stdlib.h>
#include <string.h>

// What credentials are composed of. Those that have no record (TLS with certificate providers,
// ALTS, STS, XDS) are used as they were inherited: the parent's heap stays in the child.
struct part {
    struct object *record;
    const void *inherited;
};

struct credentials {
    struct object object;
    enum credentials_constructor constructor;
    char *text[CREDENTIALS_TEXTS];
    struct part channel, call, call_too;
    int number;
    gpr_timespec time;
    bool has_verify;
    grpc_ssl_verify_peer_options verify;
    grpc_metadata_credentials_plugin plugin;
};

// What a program gave to be destroyed with its credentials is destroyed by the process that made
// them, not by each child that makes them again.
static void copy_callbacks(struct credentials *credentials,
                           const struct credentials_recipe *recipe) {
    credentials->has_verify = recipe->verify != NULL;
    if (recipe->verify != NULL) {
        credentials->verify = *recipe->verify;
        credentials->verify.verify_peer_destruct = NULL;
    }
    if (recipe->plugin != NULL) {
        credentials->plugin = *recipe->plugin;
        credentials->plugin.destroy = NULL;
    }
}

static struct part make_part(enum object_kind kind, const void *handle) {
    return (struct part){
        .record = handle != NULL ? registry_acquire(kind, handle, 0) : NULL,
        .inherited = handle,
    };
}

static void record(enum object_kind kind, void *handle, const struct credentials_recipe *recipe) {
    struct credentials *credentials = handle != NULL ? calloc(1, sizeof(*credentials)) : NULL;
    if (credentials == NULL)
        return;
    object_initialise(&credentials->object, kind, handle);
    credentials->constructor = recipe->constructor;
    for (size_t i = 0; i < CREDENTIALS_TEXTS; i++)
        credentials->text[i] = recipe->text[i] != NULL ? strdup(recipe->text[i]) : NULL;
    credentials->channel = make_part(OBJECT_CHANNEL_CREDENTIALS, recipe->channel);
    credentials->call = make_part(OBJECT_CALL_CREDENTIALS, recipe->call);
    credentials->call_too = make_part(OBJECT_CALL_CREDENTIALS, recipe->call_too);
    credentials->number = recipe->number;
    credentials->time = recipe->time;
    copy_callbacks(credentials, recipe);
    object_record(&credentials->object);
}

// Since 1.51 insecure credentials are a singleton, which gRPC hands out again and again: the
// handles of its one record are counted. For everything else a record under the address of a new
// object is old.
static bool is_known_singleton(const void *handle, const struct credentials_recipe *recipe) {
    if (recipe->constructor != CREDENTIALS_INSECURE)
        return false;
    struct object *known = registry_acquire(OBJECT_CHANNEL_CREDENTIALS, handle, 0);
    bool same = known != NULL && !object_is_inherited(known) &&
                ((const struct credentials *)known)->constructor == CREDENTIALS_INSECURE;
    if (same)
        registry_add_handle(OBJECT_CHANNEL_CREDENTIALS, handle);
    object_unreference(known);
    return same;
}

grpc_channel_credentials *credentials_record(grpc_channel_credentials *handle,
                                             const struct credentials_recipe *recipe) {
    if (!is_known_singleton(handle, recipe))
        record(OBJECT_CHANNEL_CREDENTIALS, handle, recipe);
    return handle;
}

grpc_call_credentials *call_credentials_record(grpc_call_credentials *handle,
                                               const struct credentials_recipe *recipe) {
    record(OBJECT_CALL_CREDENTIALS, handle, recipe);
    return handle;
}

static void *make_ssl(const struct credentials *credentials) {
    grpc_ssl_pem_key_cert_pair pair = {credentials->text[1], credentials->text[2]};
    grpc_ssl_pem_key_cert_pair *has_pair = pair.private_key != NULL ? &pair : NULL;
    const grpc_ssl_verify_peer_options *verify =
        credentials->has_verify ? &credentials->verify : NULL;
    if (credentials->constructor == CREDENTIALS_SSL)
        return grpc.grpc_ssl_credentials_create(credentials->text[0], has_pair, verify, NULL);
    return grpc.grpc_ssl_credentials_create_ex(credentials->text[0], has_pair, verify, NULL);
}

static void *make_simple(const struct credentials *credentials) {
    char *const *text = credentials->text;
    switch (credentials->constructor) {
    case CREDENTIALS_INSECURE:
        return grpc.grpc_insecure_credentials_create();
    case CREDENTIALS_LOCAL:
        return grpc.grpc_local_credentials_create((grpc_local_connect_type)credentials->number);
    case CREDENTIALS_COMPUTE_ENGINE:
        return grpc.grpc_google_compute_engine_credentials_create(NULL);
    case CREDENTIALS_JWT_ACCESS:
        return grpc.grpc_service_account_jwt_access_credentials_create(text[0], credentials->time,
                                                                       NULL);
    case CREDENTIALS_REFRESH_TOKEN:
        return grpc.grpc_google_refresh_token_credentials_create(text[0], NULL);
    case CREDENTIALS_ACCESS_TOKEN:
        return grpc.grpc_access_token_credentials_create(text[0], NULL);
    case CREDENTIALS_IAM:
        return grpc.grpc_google_iam_credentials_create(text[0], text[1], NULL);
    case CREDENTIALS_EXTERNAL_ACCOUNT:
        return grpc.grpc_external_account_credentials_create(text[0], text[1]);
    case CREDENTIALS_PLUGIN:
        return grpc.grpc_metadata_credentials_create_from_plugin(
            credentials->plugin, (grpc_security_level)credentials->number, NULL);
    default:
        return NULL;
    }
}

static void *make(const struct credentials *credentials, grpc_channel_credentials *channel,
                  grpc_call_credentials *call, grpc_call_credentials *call_too) {
    switch (credentials->constructor) {
    case CREDENTIALS_SSL:
    case CREDENTIALS_SSL_EX:
        return make_ssl(credentials);
    case CREDENTIALS_COMPOSITE:
        return grpc.grpc_composite_channel_credentials_create(channel, call, NULL);
    case CREDENTIALS_CALL_COMPOSITE:
        return grpc.grpc_composite_call_credentials_create(call, call_too, NULL);
    case CREDENTIALS_GOOGLE_DEFAULT:
        return grpc.grpc_google_default_credentials_create(call, NULL);
    default:
        return make_simple(credentials);
    }
}

static void *borrow(const struct part *part, bool *temporary) {
    *temporary = false;
    return part->record != NULL ? object_borrow(part->record, temporary)
                                : (void *)(uintptr_t)part->inherited;
}

static void *build(struct object *object) {
    const struct credentials *credentials = (const struct credentials *)object;
    const struct part *parts[] = {&credentials->channel, &credentials->call,
                                  &credentials->call_too};
    void *real[3];
    bool temporary[3];
    for (size_t i = 0; i < 3; i++)
        real[i] = borrow(parts[i], &temporary[i]);
    void *made = make(credentials, real[0], real[1], real[2]);
    for (size_t i = 0; i < 3; i++)
        object_return(parts[i]->record, real[i], temporary[i]);
    return made;
}

static void destroy_channel_credentials(void *real) {
    grpc.grpc_channel_credentials_release(real);
}

static void destroy_call_credentials(void *real) {
    grpc.grpc_call_credentials_release(real);
}

static void dispose(struct object *object) {
    struct credentials *credentials = (struct credentials *)object;
    for (size_t i = 0; i < CREDENTIALS_TEXTS; i++)
        free(credentials->text[i]);
    object_unreference(credentials->channel.record);
    object_unreference(credentials->call.record);
    object_unreference(credentials->call_too.record);
}

const struct object_operations credentials_operations = {build, destroy_channel_credentials,
                                                         dispose};
const struct object_operations call_credentials_operations = {build, destroy_call_credentials,
                                                              dispose};
