#include "life/attach.h"

#include "base/compiler.h"
#include "base/generation.h"
#include "base/record_memory.h"
#include "cores/assumptions.h"
#include "cores/core_images.h"
#include "cores/detection.h"
#include "cores/scope.h"
#include "cores/snapshot.h"
#include "descriptors/descriptors.h"
#include "loader/image_list.h"
#include "loader/loader.h"
#include "loader/loader_lock.h"
#include "locks/abseil.h"
#include "locks/libc_lock.h"
#include "locks/openssl.h"
#include "objects/registry.h"

#include <stddef.h>

// gRPC's images by what they define, whatever their names: the core, its portability layer, and
// the sorter of addresses, whose "initialised" flag would make a rewound core abort. The first is
// needed; the others may be part of it.
static const char *const companion_symbols[] = {"gpr_mu_lock", "address_sorting_init"};

bool attach_is_part(const struct image *image) {
    bool is_part = image_symbol(image, CORE_SYMBOL) != NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(companion_symbols) && !is_part; i++)
        is_part = image_symbol(image, companion_symbols[i]) != NULL;
    return is_part;
}

struct companion {
    const struct image *core;
    const char *symbol;
    struct image *found;
};

static bool is_needed_companion(const struct image *image, void *context) {
    const struct companion *companion = context;
    if (!image_needs(companion->core, image) || image_symbol(image, companion->symbol) == NULL)
        return false;
    *companion->found = *image;
    return true;
}

// The library with a part of the core that is none of its own: that which it needs, since each core
// may have another.
static bool find_companion(const struct image *core, const char *symbol, struct image *found) {
    if (image_symbol(core, symbol) != NULL)
        return false;
    return image_visit(is_needed_companion, &(struct companion){core, symbol, found}) ||
           image_defining(symbol, found);
}

static bool add_images(struct core *core) {
    if (!core_images_add(core, &core->image))
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(companion_symbols); i++) {
        struct image companion;
        if (find_companion(&core->image, companion_symbols[i], &companion) &&
            !core_images_add(core, &companion))
            return false;
    }
    return true;
}

// Whether the program itself needs the image, by others that it needs: then it was there from the
// start, and stays.
#define NEEDED_BY_MAXIMUM 4
struct need {
    const struct image *needed;
    unsigned depth;
};

static bool is_needed_by_program(const struct image *image, void *context) {
    const struct need *need = context;
    if (!image_needs(image, need->needed))
        return false;
    struct need next = {image, need->depth + 1};
    return image->path[0] == '\0' ||
           (next.depth < NEEDED_BY_MAXIMUM && image_visit(is_needed_by_program, &next));
}

// What the core needs stays with it, as a rule all of it. (The loader takes 0.45 million
// instructions for each.)
static void pin(const struct image *core) {
    struct image companion;
    if (image_visit(is_needed_by_program, &(struct need){core, 0}))
        return;
    loader_pin(core);
    for (size_t i = 0; i < ARRAY_LENGTH(companion_symbols); i++) {
        if (find_companion(core, companion_symbols[i], &companion) &&
            !image_needs(core, &companion))
            loader_pin(&companion);
    }
}

// Cores that are loaded and not known yet: 1.5 KiB, on the stack, since memory may be lacking.
struct found {
    size_t count;
    struct image images[CORES_MAXIMUM];
};

static bool is_new_core(const struct image *image, void *context) {
    struct found *found = context;
    if (image_symbol(image, CORE_SYMBOL) == NULL || image_symbol(image, SHIM_SYMBOL) != NULL ||
        cores_find(image) != NULL)
        return false;
    found->images[found->count++] = *image;
    return found->count == CORES_MAXIMUM;
}

void attach_pin(void) {
    struct found found = {.count = 0};
    image_visit(is_new_core, &found);
    for (size_t i = 0; i < found.count; i++)
        pin(&found.images[i]);
}

bool attach_finds_more(void) {
    struct found found = {.count = 0};
    image_visit(is_new_core, &found);
    return found.count > 0;
}

void attach_find(void) {
    struct found found = {.count = 0};
    image_visit(is_new_core, &found);
    for (size_t i = 0; i < found.count; i++) {
        struct core *core = cores_add(&found.images[i]);
        if (core == NULL)
            detection_found(found.images[i].path, "there are too many, or no memory");
        else
            scope_add(core);
    }
    if (found.count > 0)
        functions_bind_ares();
}

// In a child the lists stay as they were at its fork, which is what the locks are looked at for.
void attach_find_others_locks(void) {
    static unsigned long long seen;
    if (seen != 0 && current_generation() != 0)
        return;
    unsigned long long loads = image_loads();
    if (seen != loads) {
        libc_locks_find();
        loader_lock_find();
        abseil_find();
        openssl_find();
    }
    seen = loads;
}

const char *attach_prepare(struct core *core) {
    const char *why = assumptions_about_image(&core->image);
    if (why != NULL)
        return why;
    if (!record_memory_start() || !registry_start())
        return "out of memory";
    if (!add_images(core) || !snapshot_prepare(core))
        return "its data can't be copied";
    why = assumptions_about_functions(core);
    if (why != NULL)
        return why;
    attach_find_others_locks();
    descriptors_start();
    return NULL;
}
