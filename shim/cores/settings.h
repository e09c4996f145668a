// What the program set for the whole of gRPC. It lies in data that a child rewinds, so it is
// remembered and set again.
#ifndef GRPCFORKSHIM_CORES_SETTINGS_H
#define GRPCFORKSHIM_CORES_SETTINGS_H

// Remember. Any thread.
void settings_record_log_function(void (*function)(void *line));
void settings_record_verbosity(int severity);
void settings_record_roots_callback(int (*callback)(char **roots));
void settings_record_tracer(const char *name, int enabled);

// Set again what has to be there before gRPC is initialised, and what its initialisation would
// overwrite. Child, at its first use of gRPC.
void settings_replay_before_initialisation(void);
void settings_replay_after_initialisation(void);

#endif
