// What the languages that gRPC is used from add to the life of a process.
#ifndef GRPCFORKSHIM_LIFE_STEPS_H
#define GRPCFORKSHIM_LIFE_STEPS_H

#include "loader/image.h"

#include <stddef.h>

// Each or NULL:
//   library_loaded  a constructor of the image is running, in the thread that loads it
//   found           gRPC was found; and once more when the program first uses it, for what was
//                   loaded since. Must not call gRPC.
//   initialising    the program calls grpc_init, from `caller`. Any process.
//   object_made     the program made a channel, or is about to make a server. Any process.
//   forked          in a child, just after fork(): single-threaded and async-signal-safe.
//   revived         in a child whose gRPC was just initialised anew.
struct steps {
    void (*library_loaded)(const struct image *image);
    void (*found)(void);
    void (*initialising)(const void *caller);
    void (*object_made)(void);
    void (*forked)(void);
    void (*revived)(void);
};

// Adds them; they stay the caller's. From the constructor.
void steps_add(const struct steps *steps);

// Not to be used directly.
#define STEPS_MAXIMUM 4
extern const struct steps *steps_added[STEPS_MAXIMUM];
extern size_t steps_count;

// Runs one of the steps of each language that has it.
#define STEPS_RUN(step, ...)                                                                       \
    for (size_t i = 0; i < steps_count; i++) {                                                     \
        if (steps_added[i]->step != NULL)                                                          \
            steps_added[i]->step(__VA_ARGS__);                                                     \
    }

#endif
