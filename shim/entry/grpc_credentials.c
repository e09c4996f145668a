// Channel credentials, call credentials and resource quotas.
#include "core/credentials.h"
#include "core/resource_quota.h"
#include "core/revival.h"
#include "core/snapshot.h"
#include "entry/entry.h"

static grpc_channel_credentials *record(const void *caller, grpc_channel_credentials *credentials,
                                        const struct credentials_recipe *recipe) {
    return process_records(caller) ? credentials_record(credentials, recipe) : credentials;
}

static grpc_call_credentials *record_call(const void *caller, grpc_call_credentials *credentials,
                                          const struct credentials_recipe *recipe) {
    return process_records(caller) ? call_credentials_record(credentials, recipe) : credentials;
}

static grpc_channel_credentials *real_channel(grpc_channel_credentials *credentials) {
    return object_translate(OBJECT_CHANNEL_CREDENTIALS, credentials);
}

static grpc_call_credentials *real_call(grpc_call_credentials *credentials) {
    return object_translate(OBJECT_CALL_CREDENTIALS, credentials);
}

grpc_channel_credentials *wrapped_grpc_insecure_credentials_create(void) {
    process_enter(CALLER);
    return record(CALLER, grpc.grpc_insecure_credentials_create(),
                  &(struct credentials_recipe){.constructor = CREDENTIALS_INSECURE});
}

grpc_channel_credentials *
wrapped_grpc_ssl_credentials_create(const char *roots, grpc_ssl_pem_key_cert_pair *pair,
                                    const grpc_ssl_verify_peer_options *options, void *reserved) {
    process_enter(CALLER);
    return record(
        CALLER, grpc.grpc_ssl_credentials_create(roots, pair, options, reserved),
        &(struct credentials_recipe){.constructor = CREDENTIALS_SSL,
                                     .text = {roots, pair != NULL ? pair->private_key : NULL,
                                              pair != NULL ? pair->cert_chain : NULL},
                                     .verify = options});
}

grpc_channel_credentials *
wrapped_grpc_ssl_credentials_create_ex(const char *roots, grpc_ssl_pem_key_cert_pair *pair,
                                       const grpc_ssl_verify_peer_options *options,
                                       void *reserved) {
    process_enter(CALLER);
    return record(
        CALLER, grpc.grpc_ssl_credentials_create_ex(roots, pair, options, reserved),
        &(struct credentials_recipe){.constructor = CREDENTIALS_SSL_EX,
                                     .text = {roots, pair != NULL ? pair->private_key : NULL,
                                              pair != NULL ? pair->cert_chain : NULL},
                                     .verify = options});
}

grpc_channel_credentials *
wrapped_grpc_composite_channel_credentials_create(grpc_channel_credentials *channel,
                                                  grpc_call_credentials *call, void *reserved) {
    process_enter(CALLER);
    return record(CALLER,
                  grpc.grpc_composite_channel_credentials_create(real_channel(channel),
                                                                 real_call(call), reserved),
                  &(struct credentials_recipe){
                      .constructor = CREDENTIALS_COMPOSITE, .channel = channel, .call = call});
}

// Options came with 1.7x, the call credentials after 1.30: a function that takes fewer ignores
// them.
grpc_channel_credentials *
wrapped_grpc_google_default_credentials_create(grpc_call_credentials *call, const void *options) {
    process_enter(CALLER);
    return record(
        CALLER, grpc.grpc_google_default_credentials_create(real_call(call), options),
        &(struct credentials_recipe){.constructor = CREDENTIALS_GOOGLE_DEFAULT, .call = call});
}

grpc_channel_credentials *wrapped_grpc_local_credentials_create(grpc_local_connect_type type) {
    process_enter(CALLER);
    return record(
        CALLER, grpc.grpc_local_credentials_create(type),
        &(struct credentials_recipe){.constructor = CREDENTIALS_LOCAL, .number = (int)type});
}

void wrapped_grpc_channel_credentials_release(grpc_channel_credentials *credentials) {
    process_enter_release(CALLER);
    grpc_channel_credentials *real = object_release_handle(OBJECT_CHANNEL_CREDENTIALS, credentials);
    if (real != NULL)
        grpc.grpc_channel_credentials_release(real);
}

grpc_call_credentials *wrapped_grpc_composite_call_credentials_create(grpc_call_credentials *first,
                                                                      grpc_call_credentials *second,
                                                                      void *reserved) {
    process_enter(CALLER);
    return record_call(
        CALLER,
        grpc.grpc_composite_call_credentials_create(real_call(first), real_call(second), reserved),
        &(struct credentials_recipe){
            .constructor = CREDENTIALS_CALL_COMPOSITE, .call = first, .call_too = second});
}

grpc_call_credentials *wrapped_grpc_google_compute_engine_credentials_create(void *reserved) {
    process_enter(CALLER);
    return record_call(CALLER, grpc.grpc_google_compute_engine_credentials_create(reserved),
                       &(struct credentials_recipe){.constructor = CREDENTIALS_COMPUTE_ENGINE});
}

grpc_call_credentials *
wrapped_grpc_service_account_jwt_access_credentials_create(const char *key, gpr_timespec lifetime,
                                                           void *reserved) {
    process_enter(CALLER);
    return record_call(
        CALLER, grpc.grpc_service_account_jwt_access_credentials_create(key, lifetime, reserved),
        &(struct credentials_recipe){
            .constructor = CREDENTIALS_JWT_ACCESS, .text = {key}, .time = lifetime});
}

grpc_call_credentials *wrapped_grpc_google_refresh_token_credentials_create(const char *token,
                                                                            void *reserved) {
    process_enter(CALLER);
    return record_call(
        CALLER, grpc.grpc_google_refresh_token_credentials_create(token, reserved),
        &(struct credentials_recipe){.constructor = CREDENTIALS_REFRESH_TOKEN, .text = {token}});
}

grpc_call_credentials *wrapped_grpc_access_token_credentials_create(const char *token,
                                                                    void *reserved) {
    process_enter(CALLER);
    return record_call(
        CALLER, grpc.grpc_access_token_credentials_create(token, reserved),
        &(struct credentials_recipe){.constructor = CREDENTIALS_ACCESS_TOKEN, .text = {token}});
}

grpc_call_credentials *wrapped_grpc_google_iam_credentials_create(const char *token,
                                                                  const char *selector,
                                                                  void *reserved) {
    process_enter(CALLER);
    return record_call(
        CALLER, grpc.grpc_google_iam_credentials_create(token, selector, reserved),
        &(struct credentials_recipe){.constructor = CREDENTIALS_IAM, .text = {token, selector}});
}

grpc_call_credentials *wrapped_grpc_external_account_credentials_create(const char *json,
                                                                        const char *scopes) {
    process_enter(CALLER);
    return record_call(CALLER, grpc.grpc_external_account_credentials_create(json, scopes),
                       &(struct credentials_recipe){.constructor = CREDENTIALS_EXTERNAL_ACCOUNT,
                                                    .text = {json, scopes}});
}

grpc_call_credentials *
wrapped_grpc_metadata_credentials_create_from_plugin(grpc_metadata_credentials_plugin plugin,
                                                     grpc_security_level level, void *reserved) {
    process_enter(CALLER);
    return record_call(
        CALLER, grpc.grpc_metadata_credentials_create_from_plugin(plugin, level, reserved),
        &(struct credentials_recipe){
            .constructor = CREDENTIALS_PLUGIN, .plugin = &plugin, .number = (int)level});
}

void wrapped_grpc_call_credentials_release(grpc_call_credentials *credentials) {
    process_enter_release(CALLER);
    grpc_call_credentials *real = object_release_handle(OBJECT_CALL_CREDENTIALS, credentials);
    if (real != NULL)
        grpc.grpc_call_credentials_release(real);
}

grpc_resource_quota *wrapped_grpc_resource_quota_create(const char *name) {
    process_enter(CALLER);
    grpc_resource_quota *quota = grpc.grpc_resource_quota_create(name);
    return process_records(CALLER) ? resource_quota_record(quota, name) : quota;
}

void wrapped_grpc_resource_quota_ref(grpc_resource_quota *quota) {
    process_enter_release(CALLER);
    grpc_resource_quota *real = object_add_handle(OBJECT_RESOURCE_QUOTA, quota);
    if (real != NULL)
        grpc.grpc_resource_quota_ref(real);
}

void wrapped_grpc_resource_quota_unref(grpc_resource_quota *quota) {
    process_enter_release(CALLER);
    grpc_resource_quota *real = object_release_handle(OBJECT_RESOURCE_QUOTA, quota);
    if (real != NULL)
        grpc.grpc_resource_quota_unref(real);
}

void wrapped_grpc_resource_quota_resize(grpc_resource_quota *quota, size_t size) {
    process_enter(CALLER);
    resource_quota_record_size(quota, size);
    grpc.grpc_resource_quota_resize(object_translate(OBJECT_RESOURCE_QUOTA, quota), size);
}

void wrapped_grpc_resource_quota_set_max_threads(grpc_resource_quota *quota, int threads) {
    process_enter(CALLER);
    resource_quota_record_threads(quota, threads);
    grpc.grpc_resource_quota_set_max_threads(object_translate(OBJECT_RESOURCE_QUOTA, quota),
                                             threads);
}

const grpc_arg_pointer_vtable *wrapped_grpc_resource_quota_arg_vtable(void) {
    process_enter(CALLER);
    const grpc_arg_pointer_vtable *vtable = grpc.grpc_resource_quota_arg_vtable();
    if (process_is_protected())
        snapshot_keep(vtable, sizeof(*vtable));
    return vtable;
}
