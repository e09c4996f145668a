// What the program set for the whole of a core. It lies in data that a child rewinds, so it is
// remembered and set again.
#ifndef GRPCFORKSHIM_CORES_SETTINGS_H
#define GRPCFORKSHIM_CORES_SETTINGS_H

struct core;

// Remember. Any thread.
void settings_record_log_function(struct core *core, void (*function)(void *line));
void settings_record_verbosity(struct core *core, int severity);
void settings_record_roots_callback(struct core *core, int (*callback)(char **roots));
void settings_record_tracer(struct core *core, const char *name, int enabled);

// Set again what has to be there before the core is initialised, and what its initialisation would
// overwrite. Child, at its first use of gRPC.
void settings_replay_before_initialisation(const struct core *core);
void settings_replay_after_initialisation(const struct core *core);

// Frees the lock of all of them. Child, at its first use of gRPC.
void settings_reset_lock_in_child(void);

#endif
