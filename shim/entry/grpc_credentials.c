// Channel, call and server credentials.
#include "cores/state.h"
#include "entry/make.h"
#include "life/first_use.h"

#include <string.h>

#define CHANNEL OBJECT_CHANNEL_CREDENTIALS
#define CALL OBJECT_CALL_CREDENTIALS
#define SERVER OBJECT_SERVER_CREDENTIALS

#define PAIR_TEXTS (sizeof(grpc_ssl_pem_key_cert_pair) / sizeof(char *))

// --- channel credentials ------------------------------------------------------------------------

grpc_channel_credentials *wrapped_grpc_insecure_credentials_create(void) {
    return MAKE(grpc_insecure_credentials_create, CHANNEL);
}

grpc_channel_credentials *
wrapped_grpc_ssl_credentials_create(const char *roots, grpc_ssl_pem_key_cert_pair *pair,
                                    const grpc_ssl_verify_peer_options *options, void *reserved) {
    return MAKE(grpc_ssl_credentials_create, CHANNEL, TEXT(roots), TEXTS(pair, PAIR_TEXTS),
                BLOCK(options, sizeof(*options),
                      offsetof(grpc_ssl_verify_peer_options, verify_peer_destruct)),
                WORD(reserved));
}

grpc_channel_credentials *
wrapped_grpc_ssl_credentials_create_ex(const char *roots, grpc_ssl_pem_key_cert_pair *pair,
                                       const grpc_ssl_verify_peer_options *options,
                                       void *reserved) {
    return MAKE(grpc_ssl_credentials_create_ex, CHANNEL, TEXT(roots), TEXTS(pair, PAIR_TEXTS),
                BLOCK(options, sizeof(*options),
                      offsetof(grpc_ssl_verify_peer_options, verify_peer_destruct)),
                WORD(reserved));
}

grpc_channel_credentials *
wrapped_grpc_composite_channel_credentials_create(grpc_channel_credentials *channel,
                                                  grpc_call_credentials *call, void *reserved) {
    return MAKE(grpc_composite_channel_credentials_create, CHANNEL, OBJECT(CHANNEL, channel),
                OBJECT(CALL, call), WORD(reserved));
}

static grpc_channel_credentials *create_google_default(const struct core *core,
                                                       grpc_call_credentials *call) {
    return core->grpc.grpc_google_default_credentials_create(call, NULL);
}

// The call credentials came after 1.30 and the options with 1.7x: a function that takes fewer
// ignores them. Whether this gRPC takes options can't be told, nor whether these are any: they are
// passed on and not repeated.
grpc_channel_credentials *
wrapped_grpc_google_default_credentials_create(grpc_call_credentials *call, void *options) {
    struct core *core = grpc_enter(CALLER);
    grpc_channel_credentials *made =
        core->grpc.grpc_google_default_credentials_create(object_translate(CALL, call), options);
    return recipe_record(core, core_records(core, CALLER), CHANNEL, made,
                         STEP(ADAPTER(create_google_default), OBJECT(CALL, call)));
}

grpc_channel_credentials *wrapped_grpc_local_credentials_create(grpc_local_connect_type type) {
    return MAKE(grpc_local_credentials_create, CHANNEL, WORD(type));
}

grpc_channel_credentials *
wrapped_grpc_alts_credentials_create(const grpc_alts_credentials_options *options) {
    return MAKE(grpc_alts_credentials_create, CHANNEL, SNAPSHOT(OBJECT_ALTS_OPTIONS, options));
}

grpc_channel_credentials *
wrapped_grpc_tls_credentials_create(grpc_tls_credentials_options *options) {
    return MAKE(grpc_tls_credentials_create, CHANNEL, CONSUMED(OBJECT_TLS_OPTIONS, options));
}

grpc_channel_credentials *wrapped_grpc_xds_credentials_create(grpc_channel_credentials *fallback) {
    return MAKE(grpc_xds_credentials_create, CHANNEL, OBJECT(CHANNEL, fallback));
}

void wrapped_grpc_channel_credentials_release(grpc_channel_credentials *credentials) {
    RELEASE(grpc_channel_credentials_release, CHANNEL, credentials);
}

// --- call credentials ---------------------------------------------------------------------------

grpc_call_credentials *wrapped_grpc_composite_call_credentials_create(grpc_call_credentials *first,
                                                                      grpc_call_credentials *second,
                                                                      void *reserved) {
    return MAKE(grpc_composite_call_credentials_create, CALL, OBJECT(CALL, first),
                OBJECT(CALL, second), WORD(reserved));
}

// In 1.7x the reserved pointer became one to options: a bool.
grpc_call_credentials *wrapped_grpc_google_compute_engine_credentials_create(void *options) {
    return MAKE(grpc_google_compute_engine_credentials_create, CALL,
                BLOCK(options, sizeof(bool), 0));
}

grpc_call_credentials *
wrapped_grpc_google_compute_engine_credentials_create_with_regional_access_boundary(
    void *options, const char *boundary) {
    return MAKE(grpc_google_compute_engine_credentials_create_with_regional_access_boundary, CALL,
                BLOCK(options, sizeof(bool), 0), TEXT(boundary));
}

// How a time of two words is passed (System V ABI and AAPCS64: in two registers).
struct time_words {
    uintptr_t words[2];
};

static struct time_words to_words(gpr_timespec time) {
    struct time_words words;
    _Static_assert(sizeof(words) == sizeof(time), "gpr_timespec has two words");
    memcpy(&words, &time, sizeof(words));
    return words;
}

grpc_call_credentials *
wrapped_grpc_service_account_jwt_access_credentials_create(const char *key, gpr_timespec lifetime,
                                                           void *reserved) {
    struct time_words time = to_words(lifetime);
    return MAKE(grpc_service_account_jwt_access_credentials_create, CALL, TEXT(key),
                WORD(time.words[0]), WORD(time.words[1]), WORD(reserved));
}

grpc_call_credentials *
wrapped_grpc_service_account_jwt_access_credentials_create_with_regional_access_boundary(
    const char *key, gpr_timespec lifetime, const char *boundary, void *reserved) {
    struct time_words time = to_words(lifetime);
    return MAKE(grpc_service_account_jwt_access_credentials_create_with_regional_access_boundary,
                CALL, TEXT(key), WORD(time.words[0]), WORD(time.words[1]), TEXT(boundary),
                WORD(reserved));
}

grpc_call_credentials *wrapped_grpc_google_refresh_token_credentials_create(const char *token,
                                                                            void *reserved) {
    return MAKE(grpc_google_refresh_token_credentials_create, CALL, TEXT(token), WORD(reserved));
}

grpc_call_credentials *wrapped_grpc_access_token_credentials_create(const char *token,
                                                                    void *reserved) {
    return MAKE(grpc_access_token_credentials_create, CALL, TEXT(token), WORD(reserved));
}

grpc_call_credentials *wrapped_grpc_google_iam_credentials_create(const char *token,
                                                                  const char *selector,
                                                                  void *reserved) {
    return MAKE(grpc_google_iam_credentials_create, CALL, TEXT(token), TEXT(selector),
                WORD(reserved));
}

grpc_call_credentials *wrapped_grpc_external_account_credentials_create(const char *json,
                                                                        const char *scopes) {
    return MAKE(grpc_external_account_credentials_create, CALL, TEXT(json), TEXT(scopes));
}

grpc_call_credentials *
wrapped_grpc_external_account_credentials_create_with_regional_access_boundary(
    const char *json, const char *scopes, const char *boundary) {
    return MAKE(grpc_external_account_credentials_create_with_regional_access_boundary, CALL,
                TEXT(json), TEXT(scopes), TEXT(boundary));
}

grpc_call_credentials *
wrapped_grpc_sts_credentials_create(const grpc_sts_credentials_options *options, void *reserved) {
    return MAKE(grpc_sts_credentials_create, CALL,
                TEXTS(options, sizeof(*options) / sizeof(char *)), WORD(reserved));
}

static grpc_call_credentials *create_from_plugin(const struct core *core,
                                                 const grpc_metadata_credentials_plugin *plugin,
                                                 uintptr_t level) {
    return core->grpc.grpc_metadata_credentials_create_from_plugin(
        *plugin, (grpc_security_level)level, NULL);
}

grpc_call_credentials *
wrapped_grpc_metadata_credentials_create_from_plugin(grpc_metadata_credentials_plugin plugin,
                                                     grpc_security_level level, void *reserved) {
    (void)reserved;
    return MAKE_BY(
        ADAPTER(create_from_plugin), CALL,
        BLOCK(&plugin, sizeof(plugin), offsetof(grpc_metadata_credentials_plugin, destroy)),
        WORD(level));
}

void wrapped_grpc_call_credentials_release(grpc_call_credentials *credentials) {
    RELEASE(grpc_call_credentials_release, CALL, credentials);
}

// --- server credentials -------------------------------------------------------------------------

grpc_server_credentials *wrapped_grpc_insecure_server_credentials_create(void) {
    return MAKE(grpc_insecure_server_credentials_create, SERVER);
}

grpc_server_credentials *
wrapped_grpc_local_server_credentials_create(grpc_local_connect_type type) {
    return MAKE(grpc_local_server_credentials_create, SERVER, WORD(type));
}

grpc_server_credentials *
wrapped_grpc_alts_server_credentials_create(const grpc_alts_credentials_options *options) {
    return MAKE(grpc_alts_server_credentials_create, SERVER,
                SNAPSHOT(OBJECT_ALTS_OPTIONS, options));
}

grpc_server_credentials *
wrapped_grpc_tls_server_credentials_create(grpc_tls_credentials_options *options) {
    return MAKE(grpc_tls_server_credentials_create, SERVER, CONSUMED(OBJECT_TLS_OPTIONS, options));
}

grpc_server_credentials *
wrapped_grpc_xds_server_credentials_create(grpc_server_credentials *fallback) {
    return MAKE(grpc_xds_server_credentials_create, SERVER, OBJECT(SERVER, fallback));
}

grpc_server_credentials *
wrapped_grpc_ssl_server_credentials_create(const char *roots, grpc_ssl_pem_key_cert_pair *pairs,
                                           size_t count, int force, void *reserved) {
    return MAKE(grpc_ssl_server_credentials_create, SERVER, TEXT(roots),
                TEXTS(pairs, PAIR_TEXTS * count), WORD(count), WORD(force), WORD(reserved));
}

grpc_server_credentials *wrapped_grpc_ssl_server_credentials_create_ex(
    const char *roots, grpc_ssl_pem_key_cert_pair *pairs, size_t count,
    grpc_ssl_client_certificate_request_type request, void *reserved) {
    return MAKE(grpc_ssl_server_credentials_create_ex, SERVER, TEXT(roots),
                TEXTS(pairs, PAIR_TEXTS * count), WORD(count), WORD(request), WORD(reserved));
}

grpc_server_credentials *wrapped_grpc_ssl_server_credentials_create_with_options(
    grpc_ssl_server_credentials_options *options) {
    return MAKE(grpc_ssl_server_credentials_create_with_options, SERVER,
                CONSUMED(OBJECT_SSL_SERVER_OPTIONS, options));
}

grpc_ssl_server_certificate_config *wrapped_grpc_ssl_server_certificate_config_create(
    const char *roots, const grpc_ssl_pem_key_cert_pair *pairs, size_t count) {
    return MAKE(grpc_ssl_server_certificate_config_create, OBJECT_SSL_SERVER_CONFIG, TEXT(roots),
                TEXTS(pairs, PAIR_TEXTS * count), WORD(count));
}

void wrapped_grpc_ssl_server_certificate_config_destroy(
    grpc_ssl_server_certificate_config *config) {
    RELEASE(grpc_ssl_server_certificate_config_destroy, OBJECT_SSL_SERVER_CONFIG, config);
}

grpc_ssl_server_credentials_options *
wrapped_grpc_ssl_server_credentials_create_options_using_config(
    grpc_ssl_client_certificate_request_type request, grpc_ssl_server_certificate_config *config) {
    return MAKE(grpc_ssl_server_credentials_create_options_using_config, OBJECT_SSL_SERVER_OPTIONS,
                WORD(request), CONSUMED(OBJECT_SSL_SERVER_CONFIG, config));
}

grpc_ssl_server_credentials_options *
wrapped_grpc_ssl_server_credentials_create_options_using_config_fetcher(
    grpc_ssl_client_certificate_request_type request,
    grpc_ssl_server_certificate_config_callback fetcher, void *state) {
    return MAKE(grpc_ssl_server_credentials_create_options_using_config_fetcher,
                OBJECT_SSL_SERVER_OPTIONS, WORD(request), WORD(fetcher), WORD(state));
}

void wrapped_grpc_ssl_server_credentials_options_destroy(
    grpc_ssl_server_credentials_options *options) {
    RELEASE(grpc_ssl_server_credentials_options_destroy, OBJECT_SSL_SERVER_OPTIONS, options);
}

static void set_processor(const struct core *core, grpc_server_credentials *credentials,
                          const grpc_auth_metadata_processor *processor) {
    core->grpc.grpc_server_credentials_set_auth_metadata_processor(credentials, *processor);
}

void wrapped_grpc_server_credentials_set_auth_metadata_processor(
    grpc_server_credentials *credentials, grpc_auth_metadata_processor processor) {
    CHANGE_BY(
        ADAPTER(set_processor), SERVER, credentials,
        BLOCK(&processor, sizeof(processor), offsetof(grpc_auth_metadata_processor, destroy)));
}

void wrapped_grpc_server_credentials_release(grpc_server_credentials *credentials) {
    RELEASE(grpc_server_credentials_release, SERVER, credentials);
}
