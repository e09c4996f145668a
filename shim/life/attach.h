// Finding gRPC in a process, and getting all of it ready that a fork or a first call will need.
//
// It happens when gRPC's libraries are loaded: nothing that allocates, or that asks the loader, may
// be left for a fork (life/fork.h says why). What it does not do is to call gRPC, or to copy its
// data: constructors may still have to run, and the program may set gRPC's environment until it
// uses gRPC itself.
#ifndef GRPCFORKSHIM_LIFE_ATTACH_H
#define GRPCFORKSHIM_LIFE_ATTACH_H

#include "cores/core.h"
#include "loader/image.h"

#include <stdbool.h>

// The function by which a core is known, whatever its name and version.
#define CORE_SYMBOL "grpc_init"

// Whether the image is a core, or one of the libraries that belong to one, by what it defines. Any
// thread; takes no lock.
bool attach_is_part(const struct image *image);

// Keeps the images of all cores loaded to the end of the process. Takes the loader's lock, which a
// thread holds while it runs a constructor, and that thread may be waiting for a lock of ours: none
// of them may be held. Does nothing where there is no gRPC.
void attach_pin(void);

// Whether there is a core that is not known yet. Takes no lock of ours.
bool attach_finds_more(void);

// Adds the cores that are not known yet, with their functions bound (cores/core.h). Under the lock
// of the first use.
void attach_find(void);

// Prepares the rest: which data is to be put back and the memory for its copy, whose locks are to
// be freed in a child, the table of descriptors. Returns why this core can't be protected, or NULL.
// After attach_find, under the same lock. May be called again in a child that was forked in the
// middle of it.
const char *attach_prepare(struct core *core);

// Finds the locks of other libraries that are to be freed in children: again if more was loaded
// since the last time. Under the same lock.
void attach_find_others_locks(void);

#endif
