#include "cores/assumptions.h"

#include "base/compiler.h"
#include "cores/functions.h"
#include "cores/snapshot.h"
#include "loader/image_list.h"

#include <string.h>

static bool is_mangled(const char *name) {
    return image_name_begins(name, "_Z");
}

// The families of gRPC's own functions, C and C++, from 1.30 to 1.83.
static bool sounds_like_grpc(const char *name) {
    static const char *const beginnings[] = {"gpr_", "census_", "address_sorting_",
                                             "upb",  "tsi_",    "alts_"};
    static const char *const parts[] = {"grpc", "Grpc", "GRPC"};
    if (image_name_begins(name, "_ZN9grpc_core")) // nearly all of them
        return true;
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
        if (strstr(name, parts[i]) != NULL)
            return true;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(beginnings); i++) {
        if (image_name_begins(name, beginnings[i]))
            return true;
    }
    return image_name_begins(name, "__"); // the compiler's and the linker's
}

struct census {
    size_t functions;
    size_t foreign_cpp;
    bool foreign_c;
};

static bool count_function(const char *name, const ElfW(Sym) * symbol, void *context) {
    struct census *census = context;
    // Weak ones are templates and inline functions, of whatever headers were included.
    if (ELF64_ST_TYPE(symbol->st_info) != STT_FUNC || ELF64_ST_BIND(symbol->st_info) != STB_GLOBAL)
        return false;
    census->functions++;
    if (sounds_like_grpc(name))
        return false;
    if (is_mangled(name))
        census->foreign_cpp++;
    else
        census->foreign_c = true;
    return census->foreign_c;
}

// A plugin or an extension that gRPC is linked into gives itself away by its way in, which is a C
// function. gRPC itself exports none of another name, and of its functions in C++ few (162 of 2,382
// in 1.30, 165 of 4,900 in 1.83).
static bool has_other_code(const struct image *core) {
    struct census census = {0};
    // grpc::ServerBuilder: libgrpc++, which holds what the program registered with it.
    if (image_symbol(core, "_ZN4grpc13ServerBuilderC1Ev") != NULL)
        return true;
    image_visit_definitions(core, count_function, &census);
    return census.foreign_c || census.foreign_cpp * 10 > census.functions;
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
    return !snapshot_covers(function) && !image_visit(is_core, (void *)(uintptr_t)function);
}

const char *assumptions_about_functions(void) {
    const void *const needed[] = {
        &grpc.grpc_shutdown,
        &grpc.grpc_is_initialized,
        &grpc.grpc_version_string,
        &grpc.grpc_slice_from_copied_string,
        &grpc.grpc_lame_client_channel_create,
        &grpc.grpc_channel_destroy,
        &grpc.grpc_channel_create_call,
        &grpc.grpc_completion_queue_factory_lookup,
        &grpc.grpc_completion_queue_create,
        &grpc.grpc_completion_queue_next,
        &grpc.grpc_call_start_batch,
        &grpc.grpc_call_unref,
    };
    for (size_t i = 0; i < ARRAY_LENGTH(needed); i++) {
        if (!function_present(needed[i]))
            return "it lacks functions that every gRPC has had";
    }
    if (!function_present(&grpc.grpc_channel_create) &&
        !function_present(&grpc.grpc_insecure_channel_create))
        return "it makes channels by functions that are not known here";
    if (functions_any(is_outside))
        return "its functions are spread over images whose data is not put back";
    return NULL;
}

const char *assumptions_about_initialisation(void) {
    if (grpc.grpc_is_initialized() && !snapshot_differs())
        return "its initialisation changed none of the data that would be put back";
    return NULL;
}
