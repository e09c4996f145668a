#include "runtime/binding.h"

#include "base/log.h"
#include "core/image.h"
#include "core/image_list.h"
#include "core/snapshot.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

struct application {
    const struct binding_table *const *tables;
    size_t count;
};

// Whether a mangled name is that of a plain function whose name begins like this: "_Z", the length,
// the name.
static bool is_function(const char *mangled, const char *beginning) {
    if (strncmp(mangled, "_Z", 2) != 0 || !isdigit((unsigned char)mangled[2]))
        return false;
    mangled += 2;
    while (isdigit((unsigned char)*mangled))
        mangled++;
    return strncmp(mangled, beginning, strlen(beginning)) == 0;
}

static bool matches(const struct binding *binding, const char *name) {
    return binding->function != NULL
               ? is_function(name, binding->function)
               : strncmp(name, binding->mangled, strlen(binding->mangled)) == 0;
}

static void bind(const struct binding *binding, const struct image *image,
                 const struct import *import) {
    struct image definer;
    if (*import->slot == binding->wrapper || !image_defining(import->name, &definer))
        return;
    // Not what the slot holds: before its first call that is the way to the loader, which would put
    // the real address into the slot.
    *binding->real = image_symbol(&definer, import->name);
    if (image_patch_slot(image, import->slot, binding->wrapper))
        log_write(LOG_DEBUG, "bound %s of %s", import->name, image->path);
}

static void bind_of_table(const struct binding_table *table, const struct image *image,
                          const struct import *import) {
    for (size_t i = 0; i < table->count; i++) {
        if (matches(&table->bindings[i], import->name))
            bind(&table->bindings[i], image, import);
    }
}

static void bind_import(const struct image *image, const struct import *import, void *context) {
    const struct application *application = context;
    for (size_t i = 0; i < application->count; i++)
        bind_of_table(application->tables[i], image, import);
}

static bool bind_in(const struct image *image, void *context) {
    if (!snapshot_covers((const void *)image->start))
        image_visit_imports(image, bind_import, context);
    return false;
}

void bindings_apply(const struct binding_table *const *tables, size_t count) {
    struct application application = {tables, count};
    image_visit(bind_in, &application);
}
