// gRPC's exit-time destructors, which its images register with __cxa_atexit. They run in the
// process that loaded gRPC and in no child: there gRPC's own objects outlive exit(). For
//
// - the inherited registrations name addresses at which a rewound gRPC makes its objects anew. Run
//   too, they would destroy what this process uses, or, in a child that never used gRPC, lock what
//   a thread of the parent held;
// - what a rewound gRPC registers again comes after all that the program had registered by the
//   fork, and would run before it: in the child, not in the parent, the program's objects of static
//   storage would find gRPC destroyed when their turn comes;
// - gRPC's threads go on in exit(). A timer thread that has just ended a call at its deadline may
//   drop the last share of the event engine, which looks for its poller in a list of static
//   storage (1.51 with GRPC_ENABLE_FORK_SUPPORT=1). That is gRPC's own fault: with this thread held
//   until then, 23 of 40 Ruby processes crashed that never forked and had no shim, and 78 of 200
//   children under the shim when they still destroyed that list; since then 0 of 1,000.
//
// What they would free goes with the process. Only destructors that are gRPC's own code are meant.
// Most others that its images register are that of std::ios_base::Init, which writes out what
// std::cout holds for the program.
//
// Shutting gRPC down in an exit handler was weighed. The program's own destructors, which come
// later, would call into a gRPC that is not there, and it waits for objects that they hold.
//
// A program that is linked with gRPC has registered some before the shim's constructor runs, so
// an image is looked at when its own constructors do. What a fork ended is not given out any
// more once a child exits: operations/delivery.h.
#ifndef GRPCFORKSHIM_CORES_EXIT_H
#define GRPCFORKSHIM_CORES_EXIT_H

#include <stdbool.h>

struct image;

// The image with this handle (its __dso_handle) has a part of gRPC's core in it, whether that will
// be found and protected or not. While one of its constructors runs, in the thread that loads it;
// may be told again.
void exit_core_loaded(const void *handle, const struct image *image);

// What to register instead of a destructor of gRPC's: replaces the two by ones that look at the
// process first, or leaves them where memory is lacking or the image with this handle is not
// gRPC's. Returns false where nothing is to be registered. Any thread.
bool exit_bind_to_process(void (**destructor)(void *), void **object, const void *image);

#endif
