// Timers of gRPC's core that libgrpc++ makes alarms of (1.30 to 1.5x).
//
// In a circle with alarm.c and task.c: see alarm.h.
#ifndef GRPCFORKSHIM_LANGUAGES_CPLUSPLUS_TIMER_H
#define GRPCFORKSHIM_LANGUAGES_CPLUSPLUS_TIMER_H

#include "languages/cplusplus/binding.h"

#include <stdbool.h>

// The functions, to be bound.
extern const struct binding_table cplusplus_timer_bindings;

// True where the core's libgrpc++ makes alarms of timers, and the functions are bound. Any thread.
bool cplusplus_timers_are_known(const struct core *core);

// Finds how an error is made that the bound functions need; after the bindings were applied. One at
// a time, with the loader at hand.
void cplusplus_find_timer_errors(void);

#endif
