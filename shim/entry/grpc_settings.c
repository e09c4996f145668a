// Settings of the whole library.
#include "cores/settings.h"
#include "cores/state.h"
#include "entry/entry.h"
#include "life/first_use.h"

void wrapped_gpr_set_log_function(void (*function)(void *line)) {
    grpc_enter(CALLER);
    settings_record_log_function(function);
    grpc.gpr_set_log_function(function);
}

void wrapped_gpr_set_log_verbosity(int severity) {
    grpc_enter(CALLER);
    if (!grpc_is_inside(CALLER))
        settings_record_verbosity(severity);
    grpc.gpr_set_log_verbosity(severity);
}

int wrapped_grpc_tracer_set_enabled(const char *name, int enabled) {
    grpc_enter(CALLER);
    settings_record_tracer(name, enabled);
    return grpc.grpc_tracer_set_enabled(name, enabled);
}

void wrapped_grpc_set_ssl_roots_override_callback(int (*callback)(char **roots)) {
    grpc_enter(CALLER);
    settings_record_roots_callback(callback);
    grpc.grpc_set_ssl_roots_override_callback(callback);
}
