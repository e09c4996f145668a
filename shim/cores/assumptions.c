#include "cores/assumptions.h"

#include "base/compiler.h"
#include "cores/census.h"
#include "cores/core.h"
#include "cores/core_images.h"
#include "cores/snapshot.h"
#include "loader/image_list.h"

static bool count_function(const char *name, const ElfW(Sym) * symbol, void *census) {
    return census_count(census, name, symbol->st_info);
}

static bool has_other_code(const struct image *core) {
    struct census census = {0};
    if (image_symbol(core, CENSUS_CPLUSPLUS) != NULL)
        return true;
    image_visit_definitions(core, count_function, &census);
    return census_finds_other_code(&census);
}

const char *assumptions_about_image(const struct image *core) {
    if (core->path[0] == '\0' || has_other_code(core))
        return "it is linked into an image together with other code";
    if (core->writable_end <= core->writable_start || core->has_more_data)
        return "its data is not laid out as the shim knows it";
    return NULL;
}

// A second core, of which only what the first one lacks is bound: see docs/limits.md.
static bool is_core(const struct image *image, void *address) {
    return image_contains(image, (uintptr_t)address) && image_symbol(image, "grpc_init") != NULL;
}

static bool is_outside(const void *function) {
    return !core_images_cover(function) && !image_visit(is_core, (void *)(uintptr_t)function);
}

const char *assumptions_about_functions(const struct core *core) {
#define MEMBER(name) &core->grpc.name,
    const void *const needed[] = {CENSUS_NEEDED(MEMBER)};
#undef MEMBER
    for (size_t i = 0; i < ARRAY_LENGTH(needed); i++) {
        if (!function_present(needed[i]))
            return "it lacks functions that every gRPC has had";
    }
    if (!function_present(&core->grpc.grpc_channel_create) &&
        !function_present(&core->grpc.grpc_insecure_channel_create))
        return "it makes channels by functions that are not known here";
    if (functions_any(&core->grpc, is_outside))
        return "its functions are spread over images whose data is not put back";
    return NULL;
}

const char *assumptions_about_initialisation(const struct core *core) {
    if (core->grpc.grpc_is_initialized() && !snapshot_differs(core))
        return "its initialisation changed none of the data that would be put back";
    return NULL;
}
