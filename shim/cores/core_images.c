#include "cores/core_images.h"

#include <stdlib.h>

// Each core is in up to three libraries, and two cache lines hold the ranges of eight images.
#define IMAGES_MAXIMUM 24

struct range {
    uintptr_t start, end;
};

// On the heap, like all larger tables: see docs/architecture.md, "What it costs".
struct owned_image {
    struct image image;
    struct core *core;
};
static struct owned_image *images;
// Of the images, as each call asks: four of these are in one cache line.
static HOT_DATA struct range *ranges;
HOT_DATA _Atomic size_t core_images_count;

static size_t place_of(uintptr_t address) {
    size_t count = atomic_load_explicit(&core_images_count, memory_order_acquire);
    size_t i = 0;
    while (i < count && (address < ranges[i].start || address >= ranges[i].end))
        i++;
    return i;
}

HOT bool core_images_cover_some(const void *address) {
    size_t count = atomic_load_explicit(&core_images_count, memory_order_acquire);
    for (size_t i = 0; i < count; i++) {
        if ((uintptr_t)address >= ranges[i].start && (uintptr_t)address < ranges[i].end)
            return true;
    }
    return false;
}

struct core *core_images_core_at(const void *address) {
    size_t place = place_of((uintptr_t)address);
    return place < atomic_load(&core_images_count) ? images[place].core : NULL;
}

bool core_images_have(const struct image *image) {
    return core_images_cover((const void *)image->start);
}

// A range is complete before it is counted: other threads ask meanwhile.
bool core_images_add(struct core *core, const struct image *image) {
    size_t count = atomic_load(&core_images_count);
    if (core_images_have(image))
        return true;
    if (images == NULL)
        images = calloc(IMAGES_MAXIMUM, sizeof(*images));
    if (ranges == NULL)
        ranges = aligned_alloc(CACHE_LINE, IMAGES_MAXIMUM * sizeof(*ranges));
    if (images == NULL || ranges == NULL || count == IMAGES_MAXIMUM)
        return false;
    images[count] = (struct owned_image){*image, core};
    ranges[count] = (struct range){image->start, image->end};
    atomic_store(&core_images_count, count + 1);
    return true;
}

void core_images_visit(const struct core *core,
                       void (*visit)(const struct image *image, void *context), void *context) {
    for (size_t i = 0; i < atomic_load(&core_images_count); i++) {
        if (images[i].core == core)
            visit(&images[i].image, context);
    }
}
