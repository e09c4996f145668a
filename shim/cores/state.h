// What holds for all of a process's cores together.
#ifndef GRPCFORKSHIM_CORES_STATE_H
#define GRPCFORKSHIM_CORES_STATE_H

#include <stdbool.h>

struct core;

// Whether there is anything to do in this process's children: a core that was found, or one that is
// linked into something (cores/static_images.h). Any thread; async-signal-safe.
bool cores_are_followed(void);

// True in a child that has not used gRPC yet: no function of a protected core may be called. Any
// thread.
bool grpc_is_inherited(void);
void state_set_inherited(bool inherited);

// True for a call that gRPC or this library makes, which is none of the program's. Any thread;
// async-signal-safe.
bool cores_made_call(const void *caller);

// True where what this call makes is to be recorded: it is the program's, and the core is
// protected. Any thread.
bool core_records(const struct core *core, const void *caller);

#endif
