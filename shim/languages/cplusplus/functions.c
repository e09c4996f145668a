#include "languages/cplusplus/functions.h"

#include "base/record_memory.h"
#include "cores/scope.h"
#include "loader/image_list.h"

struct cplusplus_functions **cplusplus_functions;

struct cplusplus_functions *cplusplus_functions_make(const struct core *core) {
    if (cplusplus_functions == NULL)
        cplusplus_functions = record_allocate_zeroed(CORES_MAXIMUM * sizeof(*cplusplus_functions));
    struct cplusplus_functions *functions = cplusplus_functions_of(core);
    if (cplusplus_functions != NULL && functions == NULL)
        functions = record_allocate_zeroed(sizeof(*functions));
    if (functions == NULL)
        RECORD_LOST("functions of libgrpc++'s");
    else
        cplusplus_functions[core->index] = functions;
    return functions;
}

struct definition {
    const struct core *core;
    const char *name;
    struct image *found;
};

static bool defines(const struct image *image, void *context) {
    const struct definition *definition = context;
    if (image_symbol(image, definition->name) == NULL || image_symbol(image, SHIM_SYMBOL) != NULL ||
        scope_of_image(image) != definition->core)
        return false;
    *definition->found = *image;
    return true;
}

bool cplusplus_defining(const struct core *core, const char *name, struct image *found) {
    if (image_symbol(&core->image, name) != NULL) {
        *found = core->image;
        return true;
    }
    return image_visit(defines, &(struct definition){core, name, found});
}
