// What the shim's declarations of gRPC (cores/grpc_abi.h, cores/symbols.h) and those of gRPC's own
// headers must agree in. Each of two translation units includes one set of headers and then this
// file, which lists sizes, offsets and values as that set has them, and the functions' prototypes.
#ifndef GRPCFORKSHIM_TESTS_GRPC_ABI_FACTS_H
#define GRPCFORKSHIM_TESTS_GRPC_ABI_FACTS_H

#include "grpc_abi_test.h"

#include "cores/symbols.h"

#include <cstddef>
#include <string>
#include <type_traits>

// A parameter as calling conventions see it: what class, what size.
template <typename Type> std::string type_name() {
    if (std::is_void<Type>::value)
        return "void";
    std::string size =
        std::to_string(sizeof(std::conditional_t<std::is_void<Type>::value, char, Type>));
    if (std::is_pointer<Type>::value)
        return "pointer";
    if (std::is_class<Type>::value || std::is_union<Type>::value)
        return "struct of " + size;
    return (std::is_floating_point<Type>::value ? "float of " : "integer of ") + size;
}

struct absent {};

template <typename Function> struct prototype {
    static std::string text() {
        return ""; // this set does not declare it
    }
};

template <typename Result, typename... Parameters> struct prototype<Result(Parameters...)> {
    static std::string text() {
        std::string text = type_name<Result>() + " (";
        for (const std::string &parameter : {std::string(), type_name<Parameters>()...})
            text += parameter.empty() ? "" : parameter + ", ";
        return text + ")";
    }
};

#define FACT(expression) {#expression, (long long)(expression)},
#define SIZE(type) FACT(sizeof(type))
#define MEMBER(type, member)                                                                       \
    FACT(offsetof(type, member))                                                                   \
    FACT(sizeof(((type *)nullptr)->member))

// clang-format off
#define FACTS                                                                                      \
    SIZE(gpr_timespec)                                                                             \
    MEMBER(gpr_timespec, tv_sec)                                                                   \
    MEMBER(gpr_timespec, tv_nsec)                                                                  \
    MEMBER(gpr_timespec, clock_type)                                                               \
    FACT(GPR_CLOCK_MONOTONIC)                                                                      \
    SIZE(grpc_slice)                                                                               \
    MEMBER(grpc_slice, refcount)                                                                   \
    MEMBER(grpc_slice, data.refcounted.length)                                                     \
    MEMBER(grpc_slice, data.refcounted.bytes)                                                      \
    MEMBER(grpc_slice, data.inlined.length)                                                        \
    MEMBER(grpc_slice, data.inlined.bytes)                                                         \
    SIZE(grpc_metadata_array)                                                                      \
    MEMBER(grpc_metadata_array, count)                                                             \
    MEMBER(grpc_metadata_array, capacity)                                                          \
    MEMBER(grpc_metadata_array, metadata)                                                          \
    SIZE(grpc_arg_pointer_vtable)                                                                  \
    MEMBER(grpc_arg_pointer_vtable, copy)                                                          \
    MEMBER(grpc_arg_pointer_vtable, destroy)                                                       \
    MEMBER(grpc_arg_pointer_vtable, cmp)                                                           \
    SIZE(grpc_arg)                                                                                 \
    MEMBER(grpc_arg, type)                                                                         \
    MEMBER(grpc_arg, key)                                                                          \
    MEMBER(grpc_arg, value.string)                                                                 \
    MEMBER(grpc_arg, value.integer)                                                                \
    MEMBER(grpc_arg, value.pointer.p)                                                              \
    MEMBER(grpc_arg, value.pointer.vtable)                                                         \
    FACT(GRPC_ARG_STRING)                                                                          \
    FACT(GRPC_ARG_INTEGER)                                                                         \
    FACT(GRPC_ARG_POINTER)                                                                         \
    SIZE(grpc_channel_args)                                                                        \
    MEMBER(grpc_channel_args, num_args)                                                            \
    MEMBER(grpc_channel_args, args)                                                                \
    SIZE(grpc_event)                                                                               \
    MEMBER(grpc_event, type)                                                                       \
    MEMBER(grpc_event, success)                                                                    \
    MEMBER(grpc_event, tag)                                                                        \
    FACT(GRPC_QUEUE_SHUTDOWN)                                                                      \
    FACT(GRPC_QUEUE_TIMEOUT)                                                                       \
    FACT(GRPC_OP_COMPLETE)                                                                         \
    SIZE(grpc_op)                                                                                  \
    MEMBER(grpc_op, op)                                                                            \
    MEMBER(grpc_op, flags)                                                                         \
    MEMBER(grpc_op, reserved)                                                                      \
    MEMBER(grpc_op, data)                                                                          \
    MEMBER(grpc_op, data.recv_initial_metadata.recv_initial_metadata)                              \
    MEMBER(grpc_op, data.recv_message.recv_message)                                                \
    MEMBER(grpc_op, data.recv_status_on_client.trailing_metadata)                                  \
    MEMBER(grpc_op, data.recv_status_on_client.status)                                             \
    MEMBER(grpc_op, data.recv_status_on_client.status_details)                                     \
    MEMBER(grpc_op, data.recv_status_on_client.error_string)                                       \
    MEMBER(grpc_op, data.recv_close_on_server.cancelled)                                           \
    FACT(GRPC_OP_SEND_INITIAL_METADATA)                                                            \
    FACT(GRPC_OP_SEND_MESSAGE)                                                                     \
    FACT(GRPC_OP_SEND_CLOSE_FROM_CLIENT)                                                           \
    FACT(GRPC_OP_SEND_STATUS_FROM_SERVER)                                                          \
    FACT(GRPC_OP_RECV_INITIAL_METADATA)                                                            \
    FACT(GRPC_OP_RECV_MESSAGE)                                                                     \
    FACT(GRPC_OP_RECV_STATUS_ON_CLIENT)                                                            \
    FACT(GRPC_OP_RECV_CLOSE_ON_SERVER)                                                             \
    SIZE(grpc_completion_queue_functor)                                                            \
    MEMBER(grpc_completion_queue_functor, functor_run)                                             \
    MEMBER(grpc_completion_queue_functor, inlineable)                                              \
    MEMBER(grpc_completion_queue_functor, internal_success)                                        \
    MEMBER(grpc_completion_queue_functor, internal_next)                                           \
    SIZE(grpc_completion_queue_attributes)                                                         \
    MEMBER(grpc_completion_queue_attributes, version)                                              \
    MEMBER(grpc_completion_queue_attributes, cq_completion_type)                                   \
    MEMBER(grpc_completion_queue_attributes, cq_polling_type)                                      \
    MEMBER(grpc_completion_queue_attributes, cq_shutdown_cb)                                       \
    FACT(GRPC_CQ_NEXT)                                                                             \
    FACT(GRPC_CQ_PLUCK)                                                                            \
    FACT(GRPC_CQ_CALLBACK)                                                                         \
    SIZE(grpc_ssl_pem_key_cert_pair)                                                               \
    MEMBER(grpc_ssl_pem_key_cert_pair, private_key)                                                \
    MEMBER(grpc_ssl_pem_key_cert_pair, cert_chain)                                                 \
    SIZE(grpc_ssl_verify_peer_options)                                                             \
    MEMBER(grpc_ssl_verify_peer_options, verify_peer_callback)                                     \
    MEMBER(grpc_ssl_verify_peer_options, verify_peer_callback_userdata)                            \
    MEMBER(grpc_ssl_verify_peer_options, verify_peer_destruct)                                     \
    SIZE(verify_peer_options)                                                                      \
    MEMBER(verify_peer_options, verify_peer_callback)                                              \
    MEMBER(verify_peer_options, verify_peer_callback_userdata)                                     \
    MEMBER(verify_peer_options, verify_peer_destruct)                                              \
    SIZE(grpc_metadata_credentials_plugin)                                                         \
    MEMBER(grpc_metadata_credentials_plugin, get_metadata)                                         \
    MEMBER(grpc_metadata_credentials_plugin, debug_string)                                         \
    MEMBER(grpc_metadata_credentials_plugin, destroy)                                              \
    MEMBER(grpc_metadata_credentials_plugin, state)                                                \
    MEMBER(grpc_metadata_credentials_plugin, type)                                                 \
    SIZE(grpc_sts_credentials_options)                                                             \
    MEMBER(grpc_sts_credentials_options, actor_token_type)                                         \
    SIZE(grpc_auth_metadata_processor)                                                             \
    MEMBER(grpc_auth_metadata_processor, process)                                                  \
    MEMBER(grpc_auth_metadata_processor, destroy)                                                  \
    MEMBER(grpc_auth_metadata_processor, state)                                                    \
    SIZE(grpc_connectivity_state)                                                                  \
    SIZE(grpc_local_connect_type)                                                                  \
    SIZE(grpc_security_level)                                                                      \
    SIZE(grpc_status_code)                                                                         \
    FACT(GRPC_STATUS_CANCELLED)                                                                    \
    FACT(GRPC_STATUS_UNAVAILABLE)                                                                  \
    SIZE(grpc_call_error)                                                                          \
    FACT(GRPC_CALL_OK)                                                                             \
    FACT(GRPC_CALL_ERROR)                                                                          \
    FACT(GRPC_PROPAGATE_DEFAULTS)
// clang-format on

#define PROTOTYPE(result, name, parameters) {#name, prototype<decltype(name)>::text()},

#endif
