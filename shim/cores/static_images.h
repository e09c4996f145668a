// Images that have a gRPC linked in statically, stripped and among other code: an extension module
// of an interpreter. Their data can't be rewound. What the runtime's part does about their calls is
// its own affair; here is what holds for any of them: a child closes the descriptors that they
// opened (entry/descriptor.c), and their exit-time destructors run in the process that registered
// them (cores/exit.h).
#ifndef GRPCFORKSHIM_CORES_STATIC_IMAGES_H
#define GRPCFORKSHIM_CORES_STATIC_IMAGES_H

#include "loader/image.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define STATIC_IMAGES_MAXIMUM 16

struct static_image {
    uintptr_t start, end;
};

// Not for other rooms: what the inline function below reads.
struct static_images {
    _Atomic size_t count;
    struct static_image images[STATIC_IMAGES_MAXIMUM];
};
extern _Atomic(struct static_images *) static_images;

// Remembers an image; it is never unloaded. Each generation of forked children adds one, and more
// than there is room for replace the oldest but the first. False where memory is lacking. One
// thread at a time.
bool static_images_add(const struct image *image);

bool static_images_cover_some(const struct static_images *all, const void *address);

// True for an address in one of them. Any thread, any process; async-signal-safe.
static inline bool static_images_cover(const void *address) {
    const struct static_images *all = atomic_load_explicit(&static_images, memory_order_acquire);
    return __builtin_expect(all != NULL, 0) && static_images_cover_some(all, address);
}

// Whether there are any.
static inline bool static_images_exist(void) {
    return atomic_load_explicit(&static_images, memory_order_relaxed) != NULL;
}

#endif
