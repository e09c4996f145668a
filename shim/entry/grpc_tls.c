// What TLS and ALTS credentials are made of, and caches of TLS sessions.
#include "base/record_memory.h"
#include "cores/state.h"
#include "entry/make.h"
#include "life/first_use.h"

#include <string.h>

#define OPTIONS OBJECT_TLS_OPTIONS
#define PROVIDER OBJECT_TLS_PROVIDER
#define VERIFIER OBJECT_TLS_VERIFIER
#define PAIRS OBJECT_TLS_IDENTITY_PAIRS
#define ALTS OBJECT_ALTS_OPTIONS

// --- key pairs, providers -----------------------------------------------------------------------

grpc_tls_identity_pairs *wrapped_grpc_tls_identity_pairs_create(void) {
    return MAKE(grpc_tls_identity_pairs_create, PAIRS);
}

void wrapped_grpc_tls_identity_pairs_add_pair(grpc_tls_identity_pairs *pairs, const char *key,
                                              const char *certificates) {
    CHANGE(grpc_tls_identity_pairs_add_pair, PAIRS, pairs, TEXT(key), TEXT(certificates));
}

void wrapped_grpc_tls_identity_pairs_destroy(grpc_tls_identity_pairs *pairs) {
    RELEASE(grpc_tls_identity_pairs_destroy, PAIRS, pairs);
}

grpc_tls_certificate_provider *
wrapped_grpc_tls_certificate_provider_static_data_create(const char *roots,
                                                         grpc_tls_identity_pairs *pairs) {
    return MAKE(grpc_tls_certificate_provider_static_data_create, PROVIDER, TEXT(roots),
                CONSUMED(PAIRS, pairs));
}

// The fourth parameter was the interval in seconds (unsigned) and became the path of the SPIFFE
// bundles, with the interval behind it (1.7x). No path lies so low, and no interval is 0.
#define INTERVALS_END 0x400000

static bool is_interval(uintptr_t interval_or_bundles) {
    return interval_or_bundles > 0 && interval_or_bundles < INTERVALS_END;
}

grpc_tls_certificate_provider *wrapped_grpc_tls_certificate_provider_file_watcher_create(
    const char *key, const char *certificates, const char *roots, uintptr_t interval_or_bundles,
    unsigned interval) {
    struct argument fourth = TEXT(interval_or_bundles);
    if (is_interval(interval_or_bundles))
        fourth.kind = ARGUMENT_WORD;
    return MAKE(grpc_tls_certificate_provider_file_watcher_create, PROVIDER, TEXT(key),
                TEXT(certificates), TEXT(roots), fourth, WORD(interval));
}

void wrapped_grpc_tls_certificate_provider_release(grpc_tls_certificate_provider *provider) {
    RELEASE(grpc_tls_certificate_provider_release, PROVIDER, provider);
}

// --- verifiers ----------------------------------------------------------------------------------

// gRPC keeps the struct's address for as long as the verifier lives, whose end it tells by
// `destruct` alone. What is made again in a child is not the program's to end: the struct stays.
static grpc_tls_certificate_verifier *
create_external(const struct core *core, grpc_tls_certificate_verifier_external *external) {
    if (external->destruct == NULL) {
        grpc_tls_certificate_verifier_external *kept = record_allocate(sizeof(*kept));
        if (kept == NULL)
            RECORD_LOST("a certificate verifier");
        else
            external = memcpy(kept, external, sizeof(*kept));
    }
    return core->grpc.grpc_tls_certificate_verifier_external_create(external);
}

grpc_tls_certificate_verifier *wrapped_grpc_tls_certificate_verifier_external_create(
    grpc_tls_certificate_verifier_external *external) {
    return MAKE_BY(ADAPTER(create_external), VERIFIER,
                   BLOCK(external, sizeof(*external),
                         offsetof(grpc_tls_certificate_verifier_external, destruct)));
}

grpc_tls_certificate_verifier *wrapped_grpc_tls_certificate_verifier_no_op_create(void) {
    return MAKE(grpc_tls_certificate_verifier_no_op_create, VERIFIER);
}

grpc_tls_certificate_verifier *wrapped_grpc_tls_certificate_verifier_host_name_create(void) {
    return MAKE(grpc_tls_certificate_verifier_host_name_create, VERIFIER);
}

int wrapped_grpc_tls_certificate_verifier_verify(
    grpc_tls_certificate_verifier *verifier,
    struct grpc_tls_custom_verification_check_request *request,
    void (*done)(struct grpc_tls_custom_verification_check_request *request, void *argument,
                 grpc_status_code status, const char *details),
    void *argument, grpc_status_code *status, char **details) {
    struct core *core = grpc_enter(CALLER);
    return core->grpc.grpc_tls_certificate_verifier_verify(
        object_translate(VERIFIER, verifier), request, done, argument, status, details);
}

void wrapped_grpc_tls_certificate_verifier_cancel(
    grpc_tls_certificate_verifier *verifier,
    struct grpc_tls_custom_verification_check_request *request) {
    struct core *core = grpc_enter(CALLER);
    core->grpc.grpc_tls_certificate_verifier_cancel(object_translate(VERIFIER, verifier), request);
}

void wrapped_grpc_tls_certificate_verifier_release(grpc_tls_certificate_verifier *verifier) {
    RELEASE(grpc_tls_certificate_verifier_release, VERIFIER, verifier);
}

// --- options ------------------------------------------------------------------------------------

// What gRPC 1.30 had instead of providers is not repeated, so neither are its options.
grpc_tls_credentials_options *wrapped_grpc_tls_credentials_options_create(void) {
    struct core *core = grpc_enter(CALLER);
    if (function_present(&core->grpc.grpc_tls_key_materials_config_create))
        return core->grpc.grpc_tls_credentials_options_create();
    return recipe_make(core, core_records(core, CALLER), OPTIONS,
                       STEP(MEMBER(grpc_tls_credentials_options_create)));
}

grpc_tls_credentials_options *
wrapped_grpc_tls_credentials_options_copy(grpc_tls_credentials_options *options) {
    struct core *core = grpc_enter(CALLER);
    return recipe_record_copy(
        core, core_records(core, CALLER), OPTIONS,
        core->grpc.grpc_tls_credentials_options_copy(object_translate(OPTIONS, options)), options);
}

void wrapped_grpc_tls_credentials_options_destroy(grpc_tls_credentials_options *options) {
    RELEASE(grpc_tls_credentials_options_destroy, OPTIONS, options);
}

void wrapped_grpc_tls_credentials_options_set_certificate_provider(
    grpc_tls_credentials_options *options, grpc_tls_certificate_provider *provider) {
    CHANGE(grpc_tls_credentials_options_set_certificate_provider, OPTIONS, options,
           OBJECT(PROVIDER, provider));
}

void wrapped_grpc_tls_credentials_options_set_identity_certificate_provider(
    grpc_tls_credentials_options *options, grpc_tls_certificate_provider *provider) {
    CHANGE(grpc_tls_credentials_options_set_identity_certificate_provider, OPTIONS, options,
           OBJECT(PROVIDER, provider));
}

void wrapped_grpc_tls_credentials_options_set_root_certificate_provider(
    grpc_tls_credentials_options *options, grpc_tls_certificate_provider *provider) {
    CHANGE(grpc_tls_credentials_options_set_root_certificate_provider, OPTIONS, options,
           OBJECT(PROVIDER, provider));
}

void wrapped_grpc_tls_credentials_options_watch_root_certs(grpc_tls_credentials_options *options) {
    CHANGE(grpc_tls_credentials_options_watch_root_certs, OPTIONS, options);
}

void wrapped_grpc_tls_credentials_options_set_root_cert_name(grpc_tls_credentials_options *options,
                                                             const char *name) {
    CHANGE(grpc_tls_credentials_options_set_root_cert_name, OPTIONS, options, TEXT(name));
}

void wrapped_grpc_tls_credentials_options_watch_identity_key_cert_pairs(
    grpc_tls_credentials_options *options) {
    CHANGE(grpc_tls_credentials_options_watch_identity_key_cert_pairs, OPTIONS, options);
}

void wrapped_grpc_tls_credentials_options_set_identity_cert_name(
    grpc_tls_credentials_options *options, const char *name) {
    CHANGE(grpc_tls_credentials_options_set_identity_cert_name, OPTIONS, options, TEXT(name));
}

// Has a result in gRPC 1.30 alone: whether there are options.
int wrapped_grpc_tls_credentials_options_set_cert_request_type(
    grpc_tls_credentials_options *options, grpc_ssl_client_certificate_request_type type) {
    CHANGE(grpc_tls_credentials_options_set_cert_request_type, OPTIONS, options, WORD(type));
    return options != NULL;
}

void wrapped_grpc_tls_credentials_options_set_min_tls_version(grpc_tls_credentials_options *options,
                                                              grpc_tls_version version) {
    CHANGE(grpc_tls_credentials_options_set_min_tls_version, OPTIONS, options, WORD(version));
}

void wrapped_grpc_tls_credentials_options_set_max_tls_version(grpc_tls_credentials_options *options,
                                                              grpc_tls_version version) {
    CHANGE(grpc_tls_credentials_options_set_max_tls_version, OPTIONS, options, WORD(version));
}

void wrapped_grpc_tls_credentials_options_set_crl_directory(grpc_tls_credentials_options *options,
                                                            const char *directory) {
    CHANGE(grpc_tls_credentials_options_set_crl_directory, OPTIONS, options, TEXT(directory));
}

void wrapped_grpc_tls_credentials_options_set_verify_server_cert(
    grpc_tls_credentials_options *options, int verify) {
    CHANGE(grpc_tls_credentials_options_set_verify_server_cert, OPTIONS, options, WORD(verify));
}

void wrapped_grpc_tls_credentials_options_set_send_client_ca_list(
    grpc_tls_credentials_options *options, bool send) {
    CHANGE(grpc_tls_credentials_options_set_send_client_ca_list, OPTIONS, options, WORD(send));
}

void wrapped_grpc_tls_credentials_options_set_certificate_verifier(
    grpc_tls_credentials_options *options, grpc_tls_certificate_verifier *verifier) {
    CHANGE(grpc_tls_credentials_options_set_certificate_verifier, OPTIONS, options,
           OBJECT(VERIFIER, verifier));
}

void wrapped_grpc_tls_credentials_options_set_check_call_host(grpc_tls_credentials_options *options,
                                                              int check) {
    CHANGE(grpc_tls_credentials_options_set_check_call_host, OPTIONS, options, WORD(check));
}

void wrapped_grpc_tls_credentials_options_set_tls_session_key_log_file_path(
    grpc_tls_credentials_options *options, const char *path) {
    CHANGE(grpc_tls_credentials_options_set_tls_session_key_log_file_path, OPTIONS, options,
           TEXT(path));
}

// --- ALTS ---------------------------------------------------------------------------------------

grpc_alts_credentials_options *wrapped_grpc_alts_credentials_client_options_create(void) {
    return MAKE(grpc_alts_credentials_client_options_create, ALTS);
}

grpc_alts_credentials_options *wrapped_grpc_alts_credentials_server_options_create(void) {
    return MAKE(grpc_alts_credentials_server_options_create, ALTS);
}

void wrapped_grpc_alts_credentials_client_options_add_target_service_account(
    grpc_alts_credentials_options *options, const char *account) {
    CHANGE(grpc_alts_credentials_client_options_add_target_service_account, ALTS, options,
           TEXT(account));
}

void wrapped_grpc_alts_credentials_options_destroy(grpc_alts_credentials_options *options) {
    RELEASE(grpc_alts_credentials_options_destroy, ALTS, options);
}

// --- caches of TLS sessions ---------------------------------------------------------------------

grpc_ssl_session_cache *wrapped_grpc_ssl_session_cache_create_lru(size_t capacity) {
    return MAKE(grpc_ssl_session_cache_create_lru, OBJECT_SSL_SESSION_CACHE, WORD(capacity));
}

// The argument names the cache as the program does; it is translated where the argument is used.
grpc_arg wrapped_grpc_ssl_session_cache_create_channel_arg(grpc_ssl_session_cache *cache) {
    struct core *core = grpc_enter(CALLER);
    grpc_arg argument = core->grpc.grpc_ssl_session_cache_create_channel_arg(
        object_translate(OBJECT_SSL_SESSION_CACHE, cache));
    if (argument.type == GRPC_ARG_POINTER)
        argument.value.pointer.p = cache;
    return argument;
}

void wrapped_grpc_ssl_session_cache_destroy(grpc_ssl_session_cache *cache) {
    RELEASE(grpc_ssl_session_cache_destroy, OBJECT_SSL_SESSION_CACHE, cache);
}
