#include "languages/cplusplus/binding.h"

#include "base/log.h"
#include "cores/core_images.h"
#include "cores/scope.h"
#include "cores/thunk.h"
#include "loader/image.h"
#include "loader/image_list.h"

#include <stdbool.h>
#include <string.h>

// A bit for each key that a binding has, and for a few others: most names of gRPC's are none of
// those that are bound.
struct application {
    const struct binding_table *const *tables;
    size_t count;
    uint64_t keys, plain_keys;
    struct core *core; // of the image at hand; NULL: not asked for yet
};

// A mangled name of gRPC's: a function or a class whose name, or the name of whose namespace,
// begins with "grpc", as all that is bound here.
struct name {
    const char *mangled;
    const char *plain;       // of a plain function, "_Z", the length, the name: the last of these
    uint64_t key, plain_key; // what tells most of them apart
};

static bool is_digit(char character) {
    return character >= '0' && character <= '9';
}

static const char *skip_digits(const char *name) {
    while (is_digit(*name))
        name++;
    return name;
}

// The eight bytes behind the first four, which are the same in many. (A name that is shorter is
// followed by another, or by more of its image.)
static uint64_t key_of(const char *name) {
    uint64_t key;
    memcpy(&key, name + 4, sizeof(key));
    return key;
}

// False for a name that is not gRPC's.
static bool read_name(const char *mangled, struct name *name) {
    if (mangled[0] != '_' || mangled[1] != 'Z')
        return false;
    bool is_nested = mangled[2] == 'N';
    const char *part = mangled + (is_nested ? 3 : 2);
    if (!is_digit(*part) || !image_name_begins(part = skip_digits(part), "grpc"))
        return false;
    *name = (struct name){mangled, is_nested ? "" : part, key_of(mangled), 0};
    if (!is_nested)
        name->plain_key = key_of(part);
    return true;
}

// Fibonacci hashing: the product's highest six bits.
static uint64_t bit_of(uint64_t key) {
    return UINT64_C(1) << (key * UINT64_C(0x9E3779B97F4A7C15) >> 58);
}

static void note_keys(struct application *application, const struct binding_table *table) {
    for (size_t i = 0; i < table->count; i++) {
        const struct binding *binding = &table->bindings[i];
        if (binding->function != NULL)
            application->plain_keys |= bit_of(key_of(binding->function));
        else
            application->keys |= bit_of(key_of(binding->mangled));
    }
}

static bool may_match(const struct application *application, const struct name *name) {
    return (application->keys & bit_of(name->key)) != 0 ||
           (name->plain_key != 0 && (application->plain_keys & bit_of(name->plain_key)) != 0);
}

static bool matches(const struct binding *binding, const struct name *name) {
    if (binding->function != NULL)
        return name->plain_key == key_of(binding->function) &&
               image_name_begins(name->plain, binding->function);
    return name->key == key_of(binding->mangled) &&
           image_name_begins(name->mangled, binding->mangled);
}

static void bind_slot(const struct binding *binding, struct core *core, const struct image *image,
                      const struct import *import) {
    struct image definer;
    void *wrapper = cores_count() > 1 ? thunk_to(core, binding->wrapper) : binding->wrapper;
    if (*import->slot == wrapper || !cplusplus_defining(core, import->name, &definer))
        return;
    struct cplusplus_functions *functions = cplusplus_functions_make(core);
    if (functions == NULL)
        return;
    // Not what the slot holds: before its first call that is the way to the loader, which would put
    // the real address into the slot.
    void *real = image_symbol(&definer, import->name);
    memcpy((char *)functions + binding->real, &real, sizeof(real));
    if (image_patch_slot(image, import->slot, wrapper))
        log_write(LOG_DEBUG, "bound %s of %s", import->name, image->path);
}

static void bind_of_table(const struct binding_table *table, struct core *core,
                          const struct image *image, const struct import *import,
                          const struct name *name) {
    for (size_t i = 0; i < table->count; i++) {
        if (matches(&table->bindings[i], name))
            bind_slot(&table->bindings[i], core, image, import);
    }
}

static void bind_import(const struct image *image, const struct import *import, void *context) {
    struct application *application = context;
    struct name name;
    if (!read_name(import->name, &name) || !may_match(application, &name))
        return;
    if (application->core == NULL)
        application->core = scope_of_image(image);
    for (size_t i = 0; i < application->count; i++)
        bind_of_table(application->tables[i], application->core, image, import, &name);
}

// A core that has not been noticed yet calls itself, too.
static bool is_core(const struct image *image) {
    return core_images_cover((const void *)image->start) ||
           image_symbol(image, "grpc_init") != NULL;
}

static bool bind_in(const struct image *image, void *context) {
    struct application *application = context;
    if (!is_core(image)) {
        application->core = NULL;
        image_visit_imports(image, bind_import, application);
    }
    return false;
}

void bindings_apply(const struct binding_table *const *tables, size_t count) {
    struct application application = {.tables = tables, .count = count};
    for (size_t i = 0; i < count; i++)
        note_keys(&application, tables[i]);
    image_visit(bind_in, &application);
}
