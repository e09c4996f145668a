// grpc::Alarm, which libgrpc++ makes of operations on a queue that it begins and ends itself, and
// of something that calls it later: a timer of the core's (timer.h) or, in later
// versions, a task of an event engine's (task.h).
//
// The operations are C++ functions of the core. Where queues are named, they are translated. Of
// alarms that are running a record is kept: in a child they are over, which the alarms are told as
// if they had been cancelled there, while the tags come back with whatever else was pending on
// their queues. The timers and tasks themselves lie in lists of the parent's core, and must not be
// touched.
//
// In a circle with task.c and timer.c: an alarm asks which of the two its version of libgrpc++
// makes it of, and is told by that one when it is set, and when it is over.
#ifndef GRPCFORKSHIM_LANGUAGES_CPLUSPLUS_ALARM_H
#define GRPCFORKSHIM_LANGUAGES_CPLUSPLUS_ALARM_H

#include "languages/cplusplus/binding.h"
#include "objects/registry.h"

#include <stdbool.h>

// The functions, to be bound.
extern const struct binding_table cplusplus_alarm_bindings;

// Ends the alarms that came through the fork. Child, once, when gRPC is initialised again.
void cplusplus_end_alarms(void);

// --- for what alarms are made of ---------------------------------------------------------------

// An alarm that is running: the head of the record of its timer or task. The record belongs to the
// registry and to what the core is to call.
struct alarm {
    struct object object; // the handle is the address of the timer, or of libgrpc++'s own alarm
    void *argument; // libgrpc++'s own alarm, which is also the tag that it begins operations with
    bool has_tag;   // else it calls a function of the program's
    // Tells libgrpc++'s alarm that it was cancelled, in a child. One with a tag is told by this
    // thread, and nothing of that gets to its queue; one with a function by a thread of gRPC's.
    void (*end)(struct alarm *alarm);
    struct alarm *next;
};

// Records an alarm of the core's that is about to run, for `argument`; from now on its tag has to
// come back. Any thread, that which sets the alarm.
void alarm_starts(const struct core *core, struct alarm *alarm, void *handle, void *argument,
                  void (*end)(struct alarm *alarm));

// The core calls what belongs to the alarm, and has called it. Any thread.
void alarm_fires(struct alarm *alarm);
void alarm_fired(const struct alarm *alarm);

// The core is done with it, and gives back its reference to the record. Any thread.
void alarm_dropped(struct alarm *alarm);

// Ends an inherited alarm, unless that was done. The caller has a reference of its own to the
// record. Any thread of a child.
void alarm_end(struct alarm *alarm);

#endif
