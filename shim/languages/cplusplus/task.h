// Tasks of gRPC's event engine that libgrpc++ makes alarms of (1.83).
//
// An alarm has a share of an engine, and asks it by its virtual functions to run something later,
// or not to. These have no symbol that is imported: they are replaced in the virtual tables of the
// core's engines. In a child the engine of an inherited alarm is its parent's. There it answers
// that whatever it is to cancel was still waiting; and an alarm that is set again is given the
// engine of the child.
//
// In a circle with alarm.c and timer.c: see alarm.h.
#ifndef GRPCFORKSHIM_LANGUAGES_CPLUSPLUS_TASK_H
#define GRPCFORKSHIM_LANGUAGES_CPLUSPLUS_TASK_H

#include "languages/cplusplus/binding.h"

#include <stdbool.h>

// The functions by which programs set alarms, to be bound.
extern const struct binding_table cplusplus_task_bindings;

// Replaces the engines' functions; after the bindings were applied. One at a time, with the loader
// at hand.
void cplusplus_bind_tasks(void);

// True while this thread sets an alarm that will be known by its task. Any thread.
bool cplusplus_task_comes(void);

#endif
