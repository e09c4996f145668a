#include "core/credentials.h"

#include "core/functions.h"
#include "core/revival.h"

#include <stdlib.h>
#include <string.h>

struct credentials {
    struct object object;
    enum credentials_constructor constructor;
    char *text[CREDENTIALS_TEXTS];
    struct object *channel, *call, *call_too;
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

static void record(enum object_kind kind, void *handle, const struct credentials_recipe *recipe) {
    struct credentials *credentials = handle != NULL ? calloc(1, sizeof(*credentials)) : NULL;
    if (credentials == NULL)
        return;
    object_initialise(&credentials->object, kind, handle);
    credentials->constructor = recipe->constructor;
    for (size_t i = 0; i < CREDENTIALS_TEXTS; i++)
        credentials->text[i] = recipe->text[i] != NULL ? strdup(recipe->text[i]) : NULL;
    if (recipe->channel != NULL)
        credentials->channel = registry_acquire(OBJECT_CHANNEL_CREDENTIALS, recipe->channel, 0);
    if (recipe->call != NULL)
        credentials->call = registry_acquire(OBJECT_CALL_CREDENTIALS, recipe->call, 0);
    if (recipe->call_too != NULL)
        credentials->call_too = registry_acquire(OBJECT_CALL_CREDENTIALS, recipe->call_too, 0);
    credentials->number = recipe->number;
    credentials->time = recipe->time;
    copy_callbacks(credentials, recipe);
    if (!registry_insert(&credentials->object))
        object_unreference(&credentials->object);
}

grpc_channel_credentials *credentials_record(grpc_channel_credentials *handle,
                                             const struct credentials_recipe *recipe) {
    // A singleton that gRPC handed out before is not recorded twice.
    if (!registry_add_handle(OBJECT_CHANNEL_CREDENTIALS, handle).found)
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

static void *build(struct object *object) {
    const struct credentials *credentials = (const struct credentials *)object;
    struct object *parts[] = {credentials->channel, credentials->call, credentials->call_too};
    void *real[3];
    bool temporary[3];
    for (size_t i = 0; i < 3; i++)
        real[i] = object_borrow(parts[i], &temporary[i]);
    void *made = make(credentials, real[0], real[1], real[2]);
    for (size_t i = 0; i < 3; i++)
        object_return(parts[i], real[i], temporary[i]);
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
    object_unreference(credentials->channel);
    object_unreference(credentials->call);
    object_unreference(credentials->call_too);
}

const struct object_operations credentials_operations = {build, destroy_channel_credentials,
                                                         dispose};
const struct object_operations call_credentials_operations = {build, destroy_call_credentials,
                                                              dispose};
