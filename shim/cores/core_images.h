// Where the images of gRPC's cores lie: whether an address is gRPC itself, and which core's.
#ifndef GRPCFORKSHIM_CORES_CORE_IMAGES_H
#define GRPCFORKSHIM_CORES_CORE_IMAGES_H

#include "base/compiler.h"
#include "loader/image.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct core;

// Remembers that this image belongs to the core; it is never unloaded. One that belongs to an
// earlier core as well, as libgpr may, stays that one's. False where memory is lacking, or there
// are too many. One thread.
bool core_images_add(struct core *core, const struct image *image);

// Whether the image is one of them already. Any thread.
bool core_images_have(const struct image *image);

// Calls `visit` for each image of the core. One thread.
void core_images_visit(const struct core *core,
                       void (*visit)(const struct image *image, void *context), void *context);

// Not to be used directly.
bool core_images_cover_some(const void *address);
extern _Atomic size_t core_images_count;

// True for an address inside one of the images: whether a caller is gRPC itself. Any thread, any
// process; async-signal-safe.
static inline bool core_images_cover(const void *address) {
    // Most programs have no gRPC.
    return atomic_load_explicit(&core_images_count, memory_order_relaxed) > 0 &&
           core_images_cover_some(address);
}

// The core whose image the address is in, or NULL. As above.
struct core *core_images_core_at(const void *address);

#endif
