// The part of gRPC's binary interface that this library touches.
//
// Not taken from gRPC's headers: these differ between versions in names and prototypes (a
// credentials function lost a parameter, a struct its "experimental" prefix, types moved between
// files), while the layout of what is declared here has been the same from 1.30 to 1.83. One build
// of the shim serves them all, and tests/unit/grpc_abi_test.c compares it with the headers of
// whichever gRPC is installed.
#ifndef GRPCFORKSHIM_CORES_GRPC_ABI_H
#define GRPCFORKSHIM_CORES_GRPC_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct grpc_alts_credentials_options grpc_alts_credentials_options;
typedef struct grpc_auth_context grpc_auth_context;
typedef struct grpc_byte_buffer grpc_byte_buffer;
typedef struct grpc_call grpc_call;
typedef struct grpc_call_credentials grpc_call_credentials;
typedef struct grpc_channel grpc_channel;
typedef struct grpc_channel_credentials grpc_channel_credentials;
typedef struct grpc_completion_queue grpc_completion_queue;
typedef struct grpc_completion_queue_factory grpc_completion_queue_factory;
typedef struct grpc_metadata grpc_metadata;
typedef struct grpc_resource_quota grpc_resource_quota;
typedef struct grpc_server grpc_server;
typedef struct grpc_server_credentials grpc_server_credentials;
typedef struct grpc_ssl_server_certificate_config grpc_ssl_server_certificate_config;
typedef struct grpc_ssl_server_credentials_options grpc_ssl_server_credentials_options;
typedef struct grpc_ssl_session_cache grpc_ssl_session_cache;
typedef struct grpc_tls_certificate_provider grpc_tls_certificate_provider;
typedef struct grpc_tls_certificate_verifier grpc_tls_certificate_verifier;
typedef struct grpc_tls_credentials_options grpc_tls_credentials_options;
typedef struct grpc_tls_identity_pairs grpc_tls_identity_pairs;
struct census_context;
struct grpc_call_details;
struct grpc_channel_info;
struct grpc_slice_refcount;
struct grpc_tls_custom_verification_check_request;

typedef int grpc_connectivity_state;
typedef int grpc_local_connect_type;
typedef int grpc_security_level;
typedef int grpc_ssl_client_certificate_request_type;
typedef int grpc_tls_version;

typedef int grpc_status_code;
#define GRPC_STATUS_CANCELLED 1
#define GRPC_STATUS_UNAVAILABLE 14

typedef int grpc_call_error;
#define GRPC_CALL_OK 0
#define GRPC_CALL_ERROR 1

// include/grpc/impl/propagation_bits.h: everything.
#define GRPC_PROPAGATE_DEFAULTS UINT32_C(0xffff)

// include/grpc/support/time.h. The far end of the seconds is "never".
typedef struct gpr_timespec {
    int64_t tv_sec;
    int32_t tv_nsec;
    int clock_type;
} gpr_timespec;
#define GPR_CLOCK_MONOTONIC 0

// include/grpc/impl/slice_type.h
typedef struct grpc_slice {
    struct grpc_slice_refcount *refcount;
    union {
        struct {
            size_t length;
            uint8_t *bytes;
        } refcounted;
        struct {
            uint8_t length;
            uint8_t bytes[sizeof(size_t) + sizeof(uint8_t *) - 1 + sizeof(void *)];
        } inlined;
    } data;
} grpc_slice;

// include/grpc/impl/grpc_types.h from here on
typedef struct grpc_metadata_array {
    size_t count;
    size_t capacity;
    grpc_metadata *metadata;
} grpc_metadata_array;

typedef struct grpc_arg_pointer_vtable {
    void *(*copy)(void *pointer);
    void (*destroy)(void *pointer);
    int (*cmp)(void *left, void *right);
} grpc_arg_pointer_vtable;

enum { GRPC_ARG_STRING, GRPC_ARG_INTEGER, GRPC_ARG_POINTER };

typedef struct grpc_arg {
    int type;
    char *key;
    union {
        char *string;
        int integer;
        struct {
            void *p;
            const grpc_arg_pointer_vtable *vtable;
        } pointer;
    } value;
} grpc_arg;

typedef struct grpc_channel_args {
    size_t num_args;
    grpc_arg *args;
} grpc_channel_args;

enum { GRPC_QUEUE_SHUTDOWN, GRPC_QUEUE_TIMEOUT, GRPC_OP_COMPLETE };

typedef struct grpc_event {
    int type;
    int success;
    void *tag;
} grpc_event;

enum {
    GRPC_OP_SEND_INITIAL_METADATA,
    GRPC_OP_SEND_MESSAGE,
    GRPC_OP_SEND_CLOSE_FROM_CLIENT,
    GRPC_OP_SEND_STATUS_FROM_SERVER,
    GRPC_OP_RECV_INITIAL_METADATA,
    GRPC_OP_RECV_MESSAGE,
    GRPC_OP_RECV_STATUS_ON_CLIENT,
    GRPC_OP_RECV_CLOSE_ON_SERVER,
};

typedef struct grpc_op {
    int op;
    uint32_t flags;
    void *reserved;
    union {
        void *reserved[8];
        struct {
            grpc_metadata_array *recv_initial_metadata;
        } recv_initial_metadata;
        struct {
            grpc_byte_buffer **recv_message;
        } recv_message;
        struct {
            grpc_metadata_array *trailing_metadata;
            grpc_status_code *status;
            grpc_slice *status_details;
            const char **error_string;
        } recv_status_on_client;
        struct {
            int *cancelled;
        } recv_close_on_server;
    } data;
} grpc_op;

typedef int grpc_cq_polling_type;
typedef int grpc_cq_completion_type;
enum { GRPC_CQ_NEXT, GRPC_CQ_PLUCK, GRPC_CQ_CALLBACK };

// What a tag of a callback queue points to.
typedef struct grpc_completion_queue_functor {
    void (*functor_run)(struct grpc_completion_queue_functor *functor, int success);
    int inlineable;
    int internal_success;
    struct grpc_completion_queue_functor *internal_next;
} grpc_completion_queue_functor;

typedef struct grpc_completion_queue_attributes {
    int version;
    grpc_cq_completion_type cq_completion_type;
    grpc_cq_polling_type cq_polling_type;
    grpc_completion_queue_functor *cq_shutdown_cb; // since version 2
} grpc_completion_queue_attributes;

// include/grpc/grpc_security.h from here on
typedef struct grpc_ssl_pem_key_cert_pair {
    const char *private_key;
    const char *cert_chain;
} grpc_ssl_pem_key_cert_pair;

// verify_peer_options and grpc_ssl_verify_peer_options, which are the same.
typedef struct grpc_ssl_verify_peer_options {
    int (*verify_peer_callback)(const char *target_name, const char *peer_pem, void *userdata);
    void *verify_peer_callback_userdata;
    void (*verify_peer_destruct)(void *userdata);
} grpc_ssl_verify_peer_options;

// Passed by value: five words.
typedef struct grpc_metadata_credentials_plugin {
    void *get_metadata;
    void *debug_string;
    void (*destroy)(void *state);
    void *state;
    const char *type;
} grpc_metadata_credentials_plugin;

// Nine strings.
typedef struct grpc_sts_credentials_options {
    const char *token_exchange_service_uri;
    const char *resource;
    const char *audience;
    const char *scope;
    const char *requested_token_type;
    const char *subject_token_path;
    const char *subject_token_type;
    const char *actor_token_path;
    const char *actor_token_type;
} grpc_sts_credentials_options;

// Passed by value: three words.
typedef struct grpc_auth_metadata_processor {
    void *process;
    void (*destroy)(void *state);
    void *state;
} grpc_auth_metadata_processor;

typedef int (*grpc_ssl_server_certificate_config_callback)(
    void *state, grpc_ssl_server_certificate_config **config);

typedef struct grpc_tls_certificate_verifier_external {
    void *user_data;
    void *verify;
    void *cancel;
    void (*destruct)(void *user_data);
} grpc_tls_certificate_verifier_external;

#endif
