#include "life/attach.h"

#include "base/compiler.h"
#include "base/generation.h"
#include "base/record_memory.h"
#include "cores/assumptions.h"
#include "cores/functions.h"
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

// Does something with each of gRPC's images; false where it fails.
static bool with_images(const struct image *core, bool (*action)(const struct image *image)) {
    if (!action(core))
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(companion_symbols); i++) {
        struct image companion;
        if (image_symbol(core, companion_symbols[i]) == NULL &&
            image_defining(companion_symbols[i], &companion) && !action(&companion))
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
void attach_pin(void) {
    struct image core, companion;
    if (!image_defining(CORE_SYMBOL, &core) ||
        image_visit(is_needed_by_program, &(struct need){&core, 0}))
        return;
    loader_pin(&core);
    for (size_t i = 0; i < ARRAY_LENGTH(companion_symbols); i++) {
        if (image_symbol(&core, companion_symbols[i]) == NULL &&
            image_defining(companion_symbols[i], &companion) && !image_needs(&core, &companion))
            loader_pin(&companion);
    }
}

bool attach_find(struct image *core) {
    if (!image_defining(CORE_SYMBOL, core)) {
        // A program can look our symbols up without having gRPC; it may load it yet.
        functions_bind(NULL);
        return false;
    }
    functions_bind(core);
    functions_bind_ares();
    return true;
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

const char *attach_prepare(const struct image *core) {
    const char *why = assumptions_about_image(core);
    if (why != NULL)
        return why;
    if (!record_memory_start() || !registry_start())
        return "out of memory";
    snapshot_begin();
    if (!with_images(core, snapshot_add_image) || !snapshot_prepare())
        return "its data can't be copied";
    why = assumptions_about_functions();
    if (why != NULL)
        return why;
    attach_find_others_locks();
    descriptors_start();
    return NULL;
}
