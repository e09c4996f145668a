"""Tells which functions of cygrpc nobody has looked at: those that keep something for all of gRPC have
to be repeated in children (shim/runtime/python/settings.py)."""

import grpc
from family import say
from grpc._cython import cygrpc

# They keep nothing, or in the objects that they are given.
HARMLESS = {
    "async_generator_to_generator", "auth_context", "build_census_context",
    "compression_algorithm_name", "execute_batch", "generator_to_async_generator",
    "get_deadline_from_context", "get_server_call_tracer_factory_address", "get_working_loop",
    "install_context_from_request_call_event", "install_context_from_request_call_event_aio",
    "maybe_save_server_trace_context", "peer_identities", "peer_identity_key",
    "raise_if_not_valid_trailing_metadata", "schedule_coro_threadsafe",
    "set_census_context_on_call", "set_instrumentation_context_on_call_aio", "uninstall_context",
}
# Of upstream's fork support, whose handlers are never registered.
FORK_SUPPORT = {
    "block_if_fork_in_progress", "enter_user_request_generator", "fork_handlers_and_grpc_init",
    "fork_register_channel", "fork_unregister_channel", "get_fork_epoch", "is_fork_support_enabled",
    "return_from_user_request_generator",
}
# Of gevent's support: counted again with each channel; begun by init_grpc_gevent, and by themselves.
GEVENT = {
    "gevent_increment_channel_count", "gevent_decrement_channel_count", "run_spawn_greenlets",
    "spawn_greenlets", "shutdown_await_next_greenlet", "async_callback_func",
}


def is_adapted(function):
    return getattr(getattr(function, "__code__", None), "co_filename", None) == "<grpcforkshim>"


adapted = 0
for name, value in sorted(vars(cygrpc).items()):
    if (name.startswith("_") or isinstance(value, type) or not callable(value)
            or value.__module__ != cygrpc.__name__):
        continue
    if is_adapted(value):
        adapted += 1
    elif name not in HARMLESS | FORK_SUPPORT | GEVENT:
        say("unknown", name)
say("adapted", adapted)
