// What has become of gRPC in this process, and how often the program has initialised it.
#ifndef GRPCFORKSHIM_CORES_STATE_H
#define GRPCFORKSHIM_CORES_STATE_H

#include <stdbool.h>
#include <stdint.h>

// NOT_FOUND    it is not loaded, as far as is known
// FOUND        all is ready but the copy of its data, which the first call makes
// PROTECTED    forks are survived
// UNPROTECTED  it is left alone
enum state { STATE_NOT_FOUND, STATE_FOUND, STATE_PROTECTED, STATE_UNPROTECTED };

// Any thread; async-signal-safe.
enum state state_of_grpc(void);

// Under the lock of the first use.
void state_set(enum state state);

// gRPC is left alone, for this reason, which is said once. As above.
void state_set_unprotected(const char *what, const char *why);

// True where forks are survived; false before the first call into gRPC, when disabled, and where
// gRPC can't be protected. Any thread.
bool grpc_is_protected(void);

// Whether there is anything to do in this process's children: a gRPC that was found, or one that is
// linked into something (cores/static_images.h). Any thread; async-signal-safe.
bool grpc_is_followed(void);

// True in a child that has not used gRPC yet: no function of gRPC may be called. Any thread.
bool grpc_is_inherited(void);
void state_set_inherited(bool inherited);

// True for a call that gRPC or this library makes, which is none of the program's. Any thread;
// async-signal-safe.
bool grpc_is_inside(const void *caller);

// True where what this call makes is to be recorded: it is the program's, and gRPC is protected.
// Any thread.
bool grpc_records(const void *caller);

// The program's grpc_init and grpc_shutdown calls: counted, so that a child can begin with as many.
// The second returns false when there was nothing to take back. Any thread.
void initialisations_add(void);
bool initialisations_take_back(void);

// The number of grpc_init calls that are not taken back yet.
uint32_t initialisations_count(void);

#endif
