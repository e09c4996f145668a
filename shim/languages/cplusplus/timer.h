// Timers of gRPC's core that libgrpc++ makes alarms of (1.30 to 1.5x).
//
// Alarms are made of a timer of the core's and of operations that libgrpc++ begins and ends
// itself on the program's queue. The functions are bound: where queues are named they are
// translated, and of each timer that runs there is a record. The timer of an inherited alarm
// lies in a list or a heap of the parent's core, and the child's core would take it out of its
// own when it is cancelled. So in the child it is marked as never set, and the alarm's own
// closure is called as if the timer had been cancelled, with what it would call on the queue
// left out: that keeps libgrpc++'s count of references right, without which giving the tag back
// would free the alarm under the program's feet. An alarm with a function has it called, as
// failed, by a thread of gRPC's. The tag and the timer are recorded in one place, the timer
// first, so that a fork between the two leaks some bytes instead.
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
