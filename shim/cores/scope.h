// Which core an image's calls are bound to, where a process has several.
//
// All calls of gRPC's C functions come to this library first, whatever the scope that the loader
// would have looked them up in. So it has to find what the loader would have found: the core of the
// plugin, of the plugin's libgrpc++, of the core itself.
#ifndef GRPCFORKSHIM_CORES_SCOPE_H
#define GRPCFORKSHIM_CORES_SCOPE_H

#include "base/compiler.h"
#include "cores/core.h"
#include "loader/image.h"

// Not for other rooms: the slow way of the next function.
struct core *scope_core_of(const void *caller);

// The core that the call is bound to by which the calling thread came in, and which returns to this
// address; the absent one where there is none. To be asked once for each call of a wrapper (the
// thunk's answer is good for one: cores/thunk.h). Any thread, any process. Where there is one core
// nothing is asked; else the loader's list may be read.
static inline struct core *core_of(const void *caller) {
    size_t count = cores_count();
    if (likely(count == 1))
        return cores_at(0);
    return count == 0 ? &core_absent : scope_core_of(caller);
}

// The core that the calls of this image are bound to. As above.
struct core *scope_of_image(const struct image *image);

// The same for a call that is known to have come by no thunk, or whose thunk has been asked.
struct core *scope_core_at(const void *caller);

// Lets the calls of all images that are loaded come by thunks, where the process has several cores.
// Does nothing where nothing was loaded since the last time, nor in a child that may not ask the
// loader. Any thread.
void scope_bind_calls(void);

// A core was found: finds the one that its own calls are bound to, and asks anew for all other
// images. Under the lock of the first use.
void scope_add(struct core *core);

// A library is about to be unloaded, or was: another one may come to its place. Any thread.
void scope_forget(void);

// Frees the locks. Child, single-threaded, async-signal-safe.
void scope_reset_in_child(void);

#endif
