// What putting data back takes for granted about a gRPC, checked by what the gRPC at hand tells.
//
// Any version is welcome, also one that did not exist when this was written; no list of versions or
// names decides. What does not hold leaves the core unprotected, with one line that says why,
// instead of children that crash.
#ifndef GRPCFORKSHIM_CORES_ASSUMPTIONS_H
#define GRPCFORKSHIM_CORES_ASSUMPTIONS_H

#include "loader/image.h"

struct core;

// Before anything is copied, by the images alone: the core is a library with nothing but gRPC in it
// (else other code would lose its state), and all of its writable data is where this library looks.
// Returns why not, or NULL where all holds; a constant. Calls nothing of gRPC's. Parent, once,
// under the lock of the first use.
const char *assumptions_about_image(const struct image *core);

// When the images' data is known and the functions are bound: what a child needs is there, and in
// images whose data is put back. The rest as above.
const char *assumptions_about_functions(const struct core *core);

// After gRPC's first initialisation: it shows in the data that will be put back. The rest as above,
// but any thread, without a lock.
const char *assumptions_about_initialisation(const struct core *core);

#endif
