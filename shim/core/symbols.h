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
#ifndef GRPCFORKSHIM_CORE_SYMBOLS_H
#define GRPCFORKSHIM_CORE_SYMBOLS_H

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
    /* Settings of the whole library */                                                            \
    INTERPOSED(void, gpr_set_log_function, (void (*function)(void *line)))                         \
    INTERPOSED(void, gpr_set_log_verbosity, (int severity))                                        \
    INTERPOSED(int, grpc_tracer_set_enabled, (const char *name, int enabled))                      \
    INTERPOSED(void, grpc_set_ssl_roots_override_callback, (int (*callback)(char **roots)))        \
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
    INTERPOSED(grpc_channel_credentials *, grpc_google_default_credentials_create, (grpc_call_credentials *call, const void *options)) \
    INTERPOSED(grpc_channel_credentials *, grpc_local_credentials_create, (grpc_local_connect_type type)) \
    INTERPOSED(void, grpc_channel_credentials_release, (grpc_channel_credentials *credentials))    \
                                                                                                   \
    /* Call credentials */                                                                         \
    INTERPOSED(grpc_call_credentials *, grpc_composite_call_credentials_create, (grpc_call_credentials *first, grpc_call_credentials *second, void *reserved)) \
    INTERPOSED(grpc_call_credentials *, grpc_google_compute_engine_credentials_create, (void *reserved)) \
    INTERPOSED(grpc_call_credentials *, grpc_service_account_jwt_access_credentials_create, (const char *key, gpr_timespec lifetime, void *reserved)) \
    INTERPOSED(grpc_call_credentials *, grpc_google_refresh_token_credentials_create, (const char *token, void *reserved)) \
    INTERPOSED(grpc_call_credentials *, grpc_access_token_credentials_create, (const char *token, void *reserved)) \
    INTERPOSED(grpc_call_credentials *, grpc_google_iam_credentials_create, (const char *token, const char *selector, void *reserved)) \
    INTERPOSED(grpc_call_credentials *, grpc_external_account_credentials_create, (const char *json, const char *scopes)) \
    INTERPOSED(grpc_call_credentials *, grpc_metadata_credentials_create_from_plugin, (grpc_metadata_credentials_plugin plugin, grpc_security_level level, void *reserved)) \
    INTERPOSED(void, grpc_call_credentials_release, (grpc_call_credentials *credentials))          \
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

#define LIBC_SYMBOLS(INTERPOSED)                                                                   \
    /* What makes descriptors */                                                                   \
    INTERPOSED(int, socket, (int domain, int type, int protocol))                                  \
    INTERPOSED(int, socketpair, (int domain, int type, int protocol, int descriptors[2]))          \
    INTERPOSED(int, accept, (int descriptor, struct sockaddr *address, socklen_t *length))         \
    INTERPOSED(int, accept4, (int descriptor, struct sockaddr *address, socklen_t *length, int flags)) \
    INTERPOSED(int, epoll_create1, (int flags))                                                    \
    INTERPOSED(int, eventfd, (unsigned initial, int flags))                                        \
    INTERPOSED(int, pipe, (int descriptors[2]))                                                    \
    INTERPOSED(int, pipe2, (int descriptors[2], int flags))                                        \
    INTERPOSED(int, timerfd_create, (int clock, int flags))                                        \
    INTERPOSED(int, dup, (int descriptor))                                                         \
    /* What ends them, and dup2, which does both */                                                \
    INTERPOSED(int, dup2, (int from, int to))                                                      \
    INTERPOSED(int, dup3, (int from, int to, int flags))                                           \
    INTERPOSED(int, close, (int descriptor))                                                       \
    INTERPOSED(int, close_range, (unsigned first, unsigned last, int flags))                       \
    INTERPOSED(void, closefrom, (int first))                                                       \
    /* So that our at-fork handlers are the first to be registered */                              \
    INTERPOSED(int, __register_atfork, (void (*prepare)(void), void (*parent)(void), void (*child)(void), void *image)) \
    /* So that a gRPC without symbols is noticed by its threads */                                 \
    INTERPOSED(int, pthread_setname_np, (pthread_t thread, const char *name))                      \
    /* So that gRPC's exit-time destructors run in the process that asked for them */              \
    INTERPOSED(int, __cxa_atexit, (void (*destructor)(void *), void *object, void *image))
// clang-format on

#endif
