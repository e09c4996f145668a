#include "cores/static_images.h"

#include <stdlib.h>

_Atomic(struct static_images *) static_images;

bool static_images_cover_some(const struct static_images *all, const void *address) {
    size_t count = atomic_load_explicit(&all->count, memory_order_acquire);
    for (size_t i = 0; i < count; i++) {
        if ((uintptr_t)address >= all->images[i].start && (uintptr_t)address < all->images[i].end)
            return true;
    }
    return false;
}

bool static_images_add(const struct image *image) {
    struct static_images *all = atomic_load(&static_images);
    if (all == NULL) {
        all = calloc(1, sizeof(*all));
        if (all == NULL)
            return false;
        atomic_store(&static_images, all);
    }
    if (static_images_cover_some(all, (const void *)image->start))
        return true;
    size_t count = atomic_load(&all->count);
    if (count == STATIC_IMAGES_MAXIMUM) {
        for (size_t i = 1; i + 1 < count; i++)
            all->images[i] = all->images[i + 1];
        count--;
    }
    // Complete before it is counted: a child may see the table at any instant.
    all->images[count] = (struct static_image){image->start, image->end};
    atomic_store(&all->count, count + 1);
    return true;
}
