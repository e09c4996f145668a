// Settings of the whole library.
#include "core/process.h"
#include "core/settings.h"
#include "entry/entry.h"

void wrapped_gpr_set_log_function(void (*function)(void *line)) {
    process_enter(CALLER);
    settings_record_log_function(function);
    grpc.gpr_set_log_function(function);
}

void wrapped_gpr_set_log_verbosity(int severity) {
    process_enter(CALLER);
    if (!process_is_inside(CALLER))
        settings_record_verbosity(severity);
    grpc.gpr_set_log_verbosity(severity);
}

int wrapped_grpc_tracer_set_enabled(const char *name, int enabled) {
    process_enter(CALLER);
    settings_record_tracer(name, enabled);
    return grpc.grpc_tracer_set_enabled(name, enabled);
}

void wrapped_grpc_set_ssl_roots_override_callback(int (*callback)(char **roots)) {
    process_enter(CALLER);
    settings_record_roots_callback(callback);
    grpc.grpc_set_ssl_roots_override_callback(callback);
}
