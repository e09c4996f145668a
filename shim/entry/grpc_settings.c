// Settings of the whole library.
#include "cores/settings.h"
#include "cores/state.h"
#include "entry/entry.h"
#include "life/first_use.h"

void wrapped_gpr_set_log_function(void (*function)(void *line)) {
    struct core *core = grpc_enter(CALLER);
    settings_record_log_function(core, function);
    core->grpc.gpr_set_log_function(function);
}

void wrapped_gpr_set_log_verbosity(int severity) {
    struct core *core = grpc_enter(CALLER);
    if (!cores_made_call(CALLER))
        settings_record_verbosity(core, severity);
    core->grpc.gpr_set_log_verbosity(severity);
}

int wrapped_grpc_tracer_set_enabled(const char *name, int enabled) {
    struct core *core = grpc_enter(CALLER);
    settings_record_tracer(core, name, enabled);
    return core->grpc.grpc_tracer_set_enabled(name, enabled);
}

void wrapped_grpc_set_ssl_roots_override_callback(int (*callback)(char **roots)) {
    struct core *core = grpc_enter(CALLER);
    settings_record_roots_callback(core, callback);
    core->grpc.grpc_set_ssl_roots_override_callback(callback);
}
