// Tasks of gRPC's event engine that libgrpc++ makes alarms of (1.83).
//
// An alarm has a share of an engine, and asks it by its virtual functions to run something later,
// or not to. These have no symbol that is imported: they are replaced in the virtual tables of the
// core's engines. In a child the engine of an inherited alarm is its parent's. There it answers
// that whatever it is to cancel was still waiting; and an alarm that is set again is given the
// engine of the child.
//
// gRPC 1.83 makes alarms of tasks of its event engine, which libgrpc++'s objects share with the
// core. Whoever gives back the last share destroys it, and waits for its threads: grpc::Alarm's
// destructor hung in a child. The child takes a share of the parent's engine for itself, right
// after the fork; the parent keeps a weak one, so that there is something to count in. An alarm
// asks its engine by virtual functions, which no relocation of libgrpc++'s names. The classes of
// engines are found by the names of their virtual tables, the functions' slots by the functions'
// own, and replaced. (Handing libgrpc++ an engine of our own was weighed: it would have to have
// all functions of that interface, which differs between versions.) In the parent that notes the
// task before the engine has it, and follows it to what the alarm runs instead of a cancelled
// one. In the child each inherited alarm is cancelled, and its engine, for this, says that the
// task was still waiting. An alarm that is set there again has its share replaced by one of the
// child's engine. AnyInvocable's functions are told what to do by numbers that have changed;
// that both objects they are given are the same means destruction in all versions.
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
