// The table of symbols: one line per function.
//
//   INTERPOSED(result, name, parameters)  exported by this library, with a wrapper in entry/
//   CALLED(result, name, parameters)      called by this library only
//
// From it come the declarations of the wrappers, the struct of the real functions' addresses, their
// resolution, and the linker's version script (shim/exports.map.in). To interpose one more
// function, add a line here and a wrapper in entry/.
//
// The table spans all versions of gRPC: what a version lacks stays unbound and is never called.
#ifndef GRPCFORKSHIM_CORES_SYMBOLS_H
#define GRPCFORKSHIM_CORES_SYMBOLS_H

// clang-format off
#define GRPC_SYMBOLS(INTERPOSED, CALLED)                                                           \
    /* The library */                                                                              \
    INTERPOSED(void, grpc_init, (void))                                                            \
    INTERPOSED(void, grpc_shutdown, (void))                                                        \
    INTERPOSED(void, grpc_shutdown_blocking, (void))                                               \
    INTERPOSED(int, grpc_is_initialized, (void))                                                   \
    CALLED(const char *, grpc_version_string, (void))                                              \
    CALLED(grpc_slice, grpc_slice_from_copied_string, (const char *source))                        \
                                                                                                   \
    /* gRPC's own at-fork handlers, C++ functions until some version after 1.51 */                 \
    INTERPOSED(void, grpc_prefork, (void))                                                         \
    INTERPOSED(void, grpc_postfork_parent, (void))                                                 \
    INTERPOSED(void, grpc_postfork_child, (void))                                                  \
    INTERPOSED(void, _Z12grpc_preforkv, (void))                                                    \
    INTERPOSED(void, _Z20grpc_postfork_parentv, (void))                                            \
    INTERPOSED(void, _Z19grpc_postfork_childv, (void))                                             \
                                                                                                   \
    /* Settings of the whole library */                                                            \
    INTERPOSED(void, gpr_set_log_function, (void (*function)(void *line)))                         \
    INTERPOSED(void, gpr_set_log_verbosity, (int severity))                                        \
    INTERPOSED(int, grpc_tracer_set_enabled, (const char *name, int enabled))                      \
    INTERPOSED(void, grpc_set_ssl_roots_override_callback, (int (*callback)(char **roots)))        \
                                                                                                   \
    /* What gRPC tells of itself: in a child, of what is in use there */                           \
    INTERPOSED(char *, grpc_channelz_get_top_channels, (intptr_t first))                           \
    INTERPOSED(char *, grpc_channelz_get_servers, (intptr_t first))                                \
    INTERPOSED(char *, grpc_channelz_get_server, (intptr_t server))                                \
    INTERPOSED(char *, grpc_channelz_get_server_sockets, (intptr_t server, intptr_t first, intptr_t maximum))\
    INTERPOSED(char *, grpc_channelz_get_channel, (intptr_t channel))                              \
    INTERPOSED(char *, grpc_channelz_get_subchannel, (intptr_t subchannel))                        \
    INTERPOSED(char *, grpc_channelz_get_socket, (intptr_t socket))                                \
    INTERPOSED(grpc_slice, grpc_dump_xds_configs, (void))                                          \
                                                                                                   \
    /* Channels */                                                                                 \
    INTERPOSED(grpc_channel *, grpc_channel_create, (const char *target, grpc_channel_credentials *credentials, const grpc_channel_args *arguments)) \
    INTERPOSED(grpc_channel *, grpc_insecure_channel_create, (const char *target, const grpc_channel_args *arguments, void *reserved)) \
    INTERPOSED(grpc_channel *, grpc_secure_channel_create, (grpc_channel_credentials *credentials, const char *target, const grpc_channel_args *arguments, void *reserved)) \
    INTERPOSED(grpc_channel *, grpc_channel_create_from_fd, (const char *target, int descriptor, grpc_channel_credentials *credentials, const grpc_channel_args *arguments)) \
    INTERPOSED(grpc_channel *, grpc_insecure_channel_create_from_fd, (const char *target, int descriptor, const grpc_channel_args *arguments)) \
    INTERPOSED(grpc_channel *, grpc_lame_client_channel_create, (const char *target, grpc_status_code status, const char *message)) \
    INTERPOSED(void, grpc_channel_destroy, (grpc_channel *channel))                                \
    INTERPOSED(grpc_connectivity_state, grpc_channel_check_connectivity_state, (grpc_channel *channel, int try_to_connect)) \
    INTERPOSED(int, grpc_channel_num_external_connectivity_watchers, (grpc_channel *channel))      \
    INTERPOSED(void, grpc_channel_watch_connectivity_state, (grpc_channel *channel, grpc_connectivity_state last, gpr_timespec deadline, grpc_completion_queue *queue, void *tag)) \
    INTERPOSED(int, grpc_channel_support_connectivity_watcher, (grpc_channel *channel))            \
    INTERPOSED(void, grpc_channel_ping, (grpc_channel *channel, grpc_completion_queue *queue, void *tag, void *reserved)) \
    INTERPOSED(char *, grpc_channel_get_target, (grpc_channel *channel))                           \
    INTERPOSED(void, grpc_channel_get_info, (grpc_channel *channel, const struct grpc_channel_info *info)) \
    INTERPOSED(void, grpc_channel_reset_connect_backoff, (grpc_channel *channel))                  \
    INTERPOSED(void *, grpc_channel_register_call, (grpc_channel *channel, const char *method, const char *host, void *reserved)) \
    INTERPOSED(grpc_call *, grpc_channel_create_call, (grpc_channel *channel, grpc_call *parent, uint32_t mask, grpc_completion_queue *queue, grpc_slice method, const grpc_slice *host, gpr_timespec deadline, void *reserved)) \
    INTERPOSED(grpc_call *, grpc_channel_create_registered_call, (grpc_channel *channel, grpc_call *parent, uint32_t mask, grpc_completion_queue *queue, void *registered_call, gpr_timespec deadline, void *reserved)) \
                                                                                                   \
    /* Completion queues */                                                                        \
    CALLED(const grpc_completion_queue_factory *, grpc_completion_queue_factory_lookup, (const grpc_completion_queue_attributes *attributes)) \
    INTERPOSED(grpc_completion_queue *, grpc_completion_queue_create_for_next, (void *reserved))   \
    INTERPOSED(grpc_completion_queue *, grpc_completion_queue_create_for_pluck, (void *reserved))  \
    INTERPOSED(grpc_completion_queue *, grpc_completion_queue_create_for_callback, (grpc_completion_queue_functor *shutdown_callback, void *reserved)) \
    INTERPOSED(grpc_completion_queue *, grpc_completion_queue_create, (const grpc_completion_queue_factory *factory, const grpc_completion_queue_attributes *attributes, void *reserved)) \
    INTERPOSED(grpc_event, grpc_completion_queue_next, (grpc_completion_queue *queue, gpr_timespec deadline, void *reserved)) \
    INTERPOSED(grpc_event, grpc_completion_queue_pluck, (grpc_completion_queue *queue, void *tag, gpr_timespec deadline, void *reserved)) \
    INTERPOSED(void, grpc_completion_queue_shutdown, (grpc_completion_queue *queue))               \
    INTERPOSED(void, grpc_completion_queue_destroy, (grpc_completion_queue *queue))                \
    INTERPOSED(void, grpc_completion_queue_thread_local_cache_init, (grpc_completion_queue *queue)) \
    INTERPOSED(int, grpc_completion_queue_thread_local_cache_flush, (grpc_completion_queue *queue, void **tag, int *ok)) \
                                                                                                   \
    /* Calls */                                                                                    \
    INTERPOSED(grpc_call_error, grpc_call_start_batch, (grpc_call *call, const grpc_op *operations, size_t count, void *tag, void *reserved)) \
    INTERPOSED(void *, grpc_call_arena_alloc, (grpc_call *call, size_t size))                      \
    INTERPOSED(char *, grpc_call_get_peer, (grpc_call *call))                                      \
    INTERPOSED(void, grpc_census_call_set_context, (grpc_call *call, struct census_context *context)) \
    INTERPOSED(struct census_context *, grpc_census_call_get_context, (grpc_call *call))           \
    INTERPOSED(grpc_call_error, grpc_call_cancel, (grpc_call *call, void *reserved))               \
    INTERPOSED(grpc_call_error, grpc_call_cancel_with_status, (grpc_call *call, grpc_status_code status, const char *description, void *reserved)) \
    INTERPOSED(int, grpc_call_failed_before_recv_message, (const grpc_call *call))                 \
    INTERPOSED(grpc_call_error, grpc_call_set_credentials, (grpc_call *call, grpc_call_credentials *credentials)) \
    INTERPOSED(grpc_auth_context *, grpc_call_auth_context, (grpc_call *call))                     \
    INTERPOSED(void, grpc_call_ref, (grpc_call *call))                                             \
    INTERPOSED(void, grpc_call_unref, (grpc_call *call))                                           \
                                                                                                   \
    /* Servers */                                                                                  \
    INTERPOSED(grpc_server *, grpc_server_create, (const grpc_channel_args *arguments, void *reserved)) \
    INTERPOSED(void, grpc_server_register_completion_queue, (grpc_server *server, grpc_completion_queue *queue, void *reserved)) \
    INTERPOSED(void *, grpc_server_register_method, (grpc_server *server, const char *method, const char *host, int payload_handling, uint32_t flags)) \
    INTERPOSED(int, grpc_server_add_http2_port, (grpc_server *server, const char *address, grpc_server_credentials *credentials)) \
    INTERPOSED(int, grpc_server_add_insecure_http2_port, (grpc_server *server, const char *address)) \
    INTERPOSED(int, grpc_server_add_secure_http2_port, (grpc_server *server, const char *address, grpc_server_credentials *credentials)) \
    INTERPOSED(void, grpc_server_add_channel_from_fd, (grpc_server *server, int descriptor, grpc_server_credentials *credentials)) \
    INTERPOSED(void, grpc_server_add_insecure_channel_from_fd, (grpc_server *server, void *reserved, int descriptor)) \
    INTERPOSED(void, grpc_server_set_config_fetcher, (grpc_server *server, void *fetcher))         \
    INTERPOSED(void, grpc_server_start, (grpc_server *server))                                     \
    INTERPOSED(grpc_call_error, grpc_server_request_call, (grpc_server *server, grpc_call **call, struct grpc_call_details *details, grpc_metadata_array *metadata, grpc_completion_queue *queue_of_call, grpc_completion_queue *queue, void *tag)) \
    INTERPOSED(grpc_call_error, grpc_server_request_registered_call, (grpc_server *server, void *method, grpc_call **call, gpr_timespec *deadline, grpc_metadata_array *metadata, grpc_byte_buffer **payload, grpc_completion_queue *queue_of_call, grpc_completion_queue *queue, void *tag)) \
    INTERPOSED(void, grpc_server_shutdown_and_notify, (grpc_server *server, grpc_completion_queue *queue, void *tag)) \
    INTERPOSED(void, grpc_server_cancel_all_calls, (grpc_server *server))                          \
    INTERPOSED(void, grpc_server_destroy, (grpc_server *server))                                   \
                                                                                                   \
    /* Channel credentials */                                                                      \
    INTERPOSED(grpc_channel_credentials *, grpc_insecure_credentials_create, (void))               \
    INTERPOSED(grpc_channel_credentials *, grpc_ssl_credentials_create, (const char *roots, grpc_ssl_pem_key_cert_pair *pair, const grpc_ssl_verify_peer_options *options, void *reserved)) \
    INTERPOSED(grpc_channel_credentials *, grpc_ssl_credentials_create_ex, (const char *roots, grpc_ssl_pem_key_cert_pair *pair, const grpc_ssl_verify_peer_options *options, void *reserved)) \
    INTERPOSED(grpc_channel_credentials *, grpc_composite_channel_credentials_create, (grpc_channel_credentials *channel, grpc_call_credentials *call, void *reserved)) \
    INTERPOSED(grpc_channel_credentials *, grpc_google_default_credentials_create, (grpc_call_credentials *call, void *options)) \
    INTERPOSED(grpc_channel_credentials *, grpc_local_credentials_create, (grpc_local_connect_type type)) \
    INTERPOSED(grpc_channel_credentials *, grpc_alts_credentials_create, (const grpc_alts_credentials_options *options)) \
    INTERPOSED(grpc_channel_credentials *, grpc_tls_credentials_create, (grpc_tls_credentials_options *options)) \
    INTERPOSED(grpc_channel_credentials *, grpc_xds_credentials_create, (grpc_channel_credentials *fallback)) \
    INTERPOSED(void, grpc_channel_credentials_release, (grpc_channel_credentials *credentials))    \
                                                                                                   \
    /* Call credentials */                                                                         \
    INTERPOSED(grpc_call_credentials *, grpc_composite_call_credentials_create, (grpc_call_credentials *first, grpc_call_credentials *second, void *reserved)) \
    INTERPOSED(grpc_call_credentials *, grpc_google_compute_engine_credentials_create, (void *options)) \
    INTERPOSED(grpc_call_credentials *, grpc_google_compute_engine_credentials_create_with_regional_access_boundary, (void *options, const char *boundary)) \
    INTERPOSED(grpc_call_credentials *, grpc_service_account_jwt_access_credentials_create, (const char *key, gpr_timespec lifetime, void *reserved)) \
    INTERPOSED(grpc_call_credentials *, grpc_service_account_jwt_access_credentials_create_with_regional_access_boundary, (const char *key, gpr_timespec lifetime, const char *boundary, void *reserved)) \
    INTERPOSED(grpc_call_credentials *, grpc_google_refresh_token_credentials_create, (const char *token, void *reserved)) \
    INTERPOSED(grpc_call_credentials *, grpc_access_token_credentials_create, (const char *token, void *reserved)) \
    INTERPOSED(grpc_call_credentials *, grpc_google_iam_credentials_create, (const char *token, const char *selector, void *reserved)) \
    INTERPOSED(grpc_call_credentials *, grpc_external_account_credentials_create, (const char *json, const char *scopes)) \
    INTERPOSED(grpc_call_credentials *, grpc_external_account_credentials_create_with_regional_access_boundary, (const char *json, const char *scopes, const char *boundary)) \
    INTERPOSED(grpc_call_credentials *, grpc_sts_credentials_create, (const grpc_sts_credentials_options *options, void *reserved)) \
    INTERPOSED(grpc_call_credentials *, grpc_metadata_credentials_create_from_plugin, (grpc_metadata_credentials_plugin plugin, grpc_security_level level, void *reserved)) \
    INTERPOSED(void, grpc_call_credentials_release, (grpc_call_credentials *credentials))          \
                                                                                                   \
    /* Server credentials */                                                                       \
    INTERPOSED(grpc_server_credentials *, grpc_insecure_server_credentials_create, (void))         \
    INTERPOSED(grpc_server_credentials *, grpc_local_server_credentials_create, (grpc_local_connect_type type)) \
    INTERPOSED(grpc_server_credentials *, grpc_alts_server_credentials_create, (const grpc_alts_credentials_options *options)) \
    INTERPOSED(grpc_server_credentials *, grpc_tls_server_credentials_create, (grpc_tls_credentials_options *options)) \
    INTERPOSED(grpc_server_credentials *, grpc_xds_server_credentials_create, (grpc_server_credentials *fallback)) \
    INTERPOSED(grpc_server_credentials *, grpc_ssl_server_credentials_create, (const char *roots, grpc_ssl_pem_key_cert_pair *pairs, size_t count, int force, void *reserved)) \
    INTERPOSED(grpc_server_credentials *, grpc_ssl_server_credentials_create_ex, (const char *roots, grpc_ssl_pem_key_cert_pair *pairs, size_t count, grpc_ssl_client_certificate_request_type request, void *reserved)) \
    INTERPOSED(grpc_server_credentials *, grpc_ssl_server_credentials_create_with_options, (grpc_ssl_server_credentials_options *options)) \
    INTERPOSED(grpc_ssl_server_certificate_config *, grpc_ssl_server_certificate_config_create, (const char *roots, const grpc_ssl_pem_key_cert_pair *pairs, size_t count)) \
    INTERPOSED(void, grpc_ssl_server_certificate_config_destroy, (grpc_ssl_server_certificate_config *config)) \
    INTERPOSED(grpc_ssl_server_credentials_options *, grpc_ssl_server_credentials_create_options_using_config, (grpc_ssl_client_certificate_request_type request, grpc_ssl_server_certificate_config *config)) \
    INTERPOSED(grpc_ssl_server_credentials_options *, grpc_ssl_server_credentials_create_options_using_config_fetcher, (grpc_ssl_client_certificate_request_type request, grpc_ssl_server_certificate_config_callback fetcher, void *state)) \
    INTERPOSED(void, grpc_ssl_server_credentials_options_destroy, (grpc_ssl_server_credentials_options *options)) \
    INTERPOSED(void, grpc_server_credentials_set_auth_metadata_processor, (grpc_server_credentials *credentials, grpc_auth_metadata_processor processor)) \
    INTERPOSED(void, grpc_server_credentials_release, (grpc_server_credentials *credentials))      \
                                                                                                   \
    /* What TLS and ALTS credentials are made of */                                                \
    CALLED(void *, grpc_tls_key_materials_config_create, (void))                                   \
    INTERPOSED(grpc_tls_identity_pairs *, grpc_tls_identity_pairs_create, (void))                  \
    INTERPOSED(void, grpc_tls_identity_pairs_add_pair, (grpc_tls_identity_pairs *pairs, const char *key, const char *certificates)) \
    INTERPOSED(void, grpc_tls_identity_pairs_destroy, (grpc_tls_identity_pairs *pairs))            \
    INTERPOSED(grpc_tls_certificate_provider *, grpc_tls_certificate_provider_static_data_create, (const char *roots, grpc_tls_identity_pairs *pairs)) \
    INTERPOSED(grpc_tls_certificate_provider *, grpc_tls_certificate_provider_file_watcher_create, (const char *key, const char *certificates, const char *roots, uintptr_t interval_or_bundles, unsigned interval)) \
    INTERPOSED(void, grpc_tls_certificate_provider_release, (grpc_tls_certificate_provider *provider)) \
    INTERPOSED(grpc_tls_certificate_verifier *, grpc_tls_certificate_verifier_external_create, (grpc_tls_certificate_verifier_external *external)) \
    INTERPOSED(grpc_tls_certificate_verifier *, grpc_tls_certificate_verifier_no_op_create, (void)) \
    INTERPOSED(grpc_tls_certificate_verifier *, grpc_tls_certificate_verifier_host_name_create, (void)) \
    INTERPOSED(int, grpc_tls_certificate_verifier_verify, (grpc_tls_certificate_verifier *verifier, struct grpc_tls_custom_verification_check_request *request, void (*done)(struct grpc_tls_custom_verification_check_request *request, void *argument, grpc_status_code status, const char *details), void *argument, grpc_status_code *status, char **details)) \
    INTERPOSED(void, grpc_tls_certificate_verifier_cancel, (grpc_tls_certificate_verifier *verifier, struct grpc_tls_custom_verification_check_request *request)) \
    INTERPOSED(void, grpc_tls_certificate_verifier_release, (grpc_tls_certificate_verifier *verifier)) \
    INTERPOSED(grpc_tls_credentials_options *, grpc_tls_credentials_options_create, (void))        \
    INTERPOSED(grpc_tls_credentials_options *, grpc_tls_credentials_options_copy, (grpc_tls_credentials_options *options)) \
    INTERPOSED(void, grpc_tls_credentials_options_set_certificate_provider, (grpc_tls_credentials_options *options, grpc_tls_certificate_provider *provider)) \
    INTERPOSED(void, grpc_tls_credentials_options_set_identity_certificate_provider, (grpc_tls_credentials_options *options, grpc_tls_certificate_provider *provider)) \
    INTERPOSED(void, grpc_tls_credentials_options_set_root_certificate_provider, (grpc_tls_credentials_options *options, grpc_tls_certificate_provider *provider)) \
    INTERPOSED(void, grpc_tls_credentials_options_watch_root_certs, (grpc_tls_credentials_options *options)) \
    INTERPOSED(void, grpc_tls_credentials_options_set_root_cert_name, (grpc_tls_credentials_options *options, const char *name)) \
    INTERPOSED(void, grpc_tls_credentials_options_watch_identity_key_cert_pairs, (grpc_tls_credentials_options *options)) \
    INTERPOSED(void, grpc_tls_credentials_options_set_identity_cert_name, (grpc_tls_credentials_options *options, const char *name)) \
    INTERPOSED(int, grpc_tls_credentials_options_set_cert_request_type, (grpc_tls_credentials_options *options, grpc_ssl_client_certificate_request_type type)) \
    INTERPOSED(void, grpc_tls_credentials_options_set_min_tls_version, (grpc_tls_credentials_options *options, grpc_tls_version version)) \
    INTERPOSED(void, grpc_tls_credentials_options_set_max_tls_version, (grpc_tls_credentials_options *options, grpc_tls_version version)) \
    INTERPOSED(void, grpc_tls_credentials_options_set_crl_directory, (grpc_tls_credentials_options *options, const char *directory)) \
    INTERPOSED(void, grpc_tls_credentials_options_set_verify_server_cert, (grpc_tls_credentials_options *options, int verify)) \
    INTERPOSED(void, grpc_tls_credentials_options_set_send_client_ca_list, (grpc_tls_credentials_options *options, bool send)) \
    INTERPOSED(void, grpc_tls_credentials_options_set_certificate_verifier, (grpc_tls_credentials_options *options, grpc_tls_certificate_verifier *verifier)) \
    INTERPOSED(void, grpc_tls_credentials_options_set_check_call_host, (grpc_tls_credentials_options *options, int check)) \
    INTERPOSED(void, grpc_tls_credentials_options_set_tls_session_key_log_file_path, (grpc_tls_credentials_options *options, const char *path)) \
    INTERPOSED(void, grpc_tls_credentials_options_destroy, (grpc_tls_credentials_options *options)) \
    INTERPOSED(grpc_alts_credentials_options *, grpc_alts_credentials_client_options_create, (void)) \
    INTERPOSED(grpc_alts_credentials_options *, grpc_alts_credentials_server_options_create, (void)) \
    INTERPOSED(void, grpc_alts_credentials_client_options_add_target_service_account, (grpc_alts_credentials_options *options, const char *account)) \
    INTERPOSED(void, grpc_alts_credentials_options_destroy, (grpc_alts_credentials_options *options)) \
                                                                                                   \
    /* Caches of TLS sessions */                                                                   \
    INTERPOSED(grpc_ssl_session_cache *, grpc_ssl_session_cache_create_lru, (size_t capacity))     \
    INTERPOSED(grpc_arg, grpc_ssl_session_cache_create_channel_arg, (grpc_ssl_session_cache *cache)) \
    INTERPOSED(void, grpc_ssl_session_cache_destroy, (grpc_ssl_session_cache *cache))              \
                                                                                                   \
    /* Resource quotas */                                                                          \
    INTERPOSED(grpc_resource_quota *, grpc_resource_quota_create, (const char *name))              \
    INTERPOSED(void, grpc_resource_quota_ref, (grpc_resource_quota *quota))                        \
    INTERPOSED(void, grpc_resource_quota_unref, (grpc_resource_quota *quota))                      \
    INTERPOSED(void, grpc_resource_quota_resize, (grpc_resource_quota *quota, size_t size))        \
    INTERPOSED(void, grpc_resource_quota_set_max_threads, (grpc_resource_quota *quota, int threads)) \
    INTERPOSED(const grpc_arg_pointer_vtable *, grpc_resource_quota_arg_vtable, (void))

// c-ares opens sockets on behalf of whoever calls it; these are the calls that gRPC makes. All
// their parameters are integers or pointers.
#define ARES_SYMBOLS(INTERPOSED)                                                                   \
    INTERPOSED(void, ares_gethostbyname, (void *a, void *b, long c, void *d, void *e))             \
    INTERPOSED(void, ares_query, (void *a, void *b, long c, long d, void *e, void *f))             \
    INTERPOSED(void, ares_search, (void *a, void *b, long c, long d, void *e, void *f))            \
    INTERPOSED(void, ares_getaddrinfo, (void *a, void *b, void *c, void *d, void *e, void *f))     \
    INTERPOSED(void, ares_process_fd, (void *a, int b, int c))
// clang-format on

#endif
