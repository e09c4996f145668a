#include "loader/image_list.h"

#include "base/compiler.h"
#include "loader/link_map.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

// Any address of this library will do to recognise it.
static const char own_marker;

struct visit {
    bool (*visit)(const struct image *image, void *context);
    void *context;
    enum image_scope scope;
    bool past_own; // whether this library came by
    bool found;
    bool is_first; // of the images that the loader lists
};

// All images as they were read, for a thread that goes through them some thirty times.
#define CATALOGUE_STEP 64
struct catalogue {
    unsigned long long loads, unloads; // what the loader counted by then
    size_t count;
    struct image images[];
};
static THREAD_LOCAL struct catalogue *catalogue;

static bool visit_image(struct visit *visit, const struct image *image) {
    bool own = image_contains(image, (uintptr_t)&own_marker);
    bool wanted = visit->scope == IMAGES_ALL || (visit->scope == IMAGES_OTHERS && !own) ||
                  (visit->scope == IMAGES_BEHIND && visit->past_own);
    visit->past_own |= own;
    return wanted && visit->visit(image, visit->context);
}

// With the loader's list locked, so that no image is unloaded meanwhile.
static bool visit_catalogue(struct visit *visit) {
    for (size_t i = 0; i < catalogue->count; i++) {
        if (visit_image(visit, &catalogue->images[i]))
            return true;
    }
    return false;
}

static bool is_in_catalogue(const struct dl_phdr_info *info) {
    return catalogue != NULL && catalogue->loads == info->dlpi_adds &&
           catalogue->unloads == info->dlpi_subs;
}

static int visit_one(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    struct visit *visit = context;
    struct image image;
    if (visit->is_first && is_in_catalogue(info)) {
        visit->found = visit_catalogue(visit);
        return 1;
    }
    visit->is_first = false;
    if (image_read(info, &image))
        visit->found = visit_image(visit, &image);
    return visit->found;
}

static int add_to_catalogue(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    struct catalogue **made = context;
    size_t count = *made != NULL ? (*made)->count : 0;
    if (count % CATALOGUE_STEP == 0) {
        struct catalogue *more =
            realloc(*made, sizeof(*more) + (count + CATALOGUE_STEP) * sizeof(more->images[0]));
        if (more == NULL) {
            free(*made);
            *made = NULL;
            return 1;
        }
        more->loads = info->dlpi_adds;
        more->unloads = info->dlpi_subs;
        more->count = count;
        *made = more;
    }
    (*made)->count += image_read(info, &(*made)->images[count]);
    return 0;
}

// The loader's lock may be held for ever by a thread that a child does not have: glibc does not
// free dl_load_write_lock in a child (measured with 2.36: 5 of 5 children hang in dl_iterate_phdr
// while a thread of the parent is in it). So a child reads the list that the loader keeps for
// debuggers, without a lock.
static _Atomic bool in_child;
// Programs without gRPC fork without handlers of ours, and their children come here too, for the
// functions of libc. Nothing is written by them: a child of vfork() has its parent's memory.
static _Atomic pid_t first_process;

void image_note_process(void) {
    atomic_store(&first_process, (pid_t)syscall(SYS_getpid));
}

void image_note_fork(bool is_locked) {
    if (is_locked)
        image_note_process();
    atomic_store(&in_child, !is_locked);
}

static bool is_child(void) {
    pid_t first = atomic_load(&first_process);
    return atomic_load(&in_child) || (first != 0 && first != (pid_t)syscall(SYS_getpid));
}

bool image_list_is_locked(void) {
    return !is_child();
}

void image_list_is_free(void) {
    atomic_store(&first_process, (pid_t)syscall(SYS_getpid));
    atomic_store(&in_child, false);
}

static bool visit_in_child(struct visit *visit) {
    size_t place = link_map_headers_place();
    for (const struct link_map *map = _r_debug.r_map; map != NULL; map = map->l_next) {
        struct dl_phdr_info info;
        struct image image;
        if (link_map_describe(map, place, &info) && image_read(&info, &image) &&
            visit_image(visit, &image))
            return true;
    }
    return false;
}

bool image_visit_scope(enum image_scope scope,
                       bool (*visit)(const struct image *image, void *context), void *context) {
    struct visit closure = {.visit = visit, .context = context, .scope = scope, .is_first = true};
    if (is_child())
        return visit_in_child(&closure);
    dl_iterate_phdr(visit_one, &closure);
    return closure.found;
}

void image_list_keep(void) {
    if (catalogue == NULL && !is_child())
        dl_iterate_phdr(add_to_catalogue, &catalogue);
}

void image_list_drop(void) {
    free(catalogue);
    catalogue = NULL;
}

bool image_visit(bool (*visit)(const struct image *image, void *context), void *context) {
    return image_visit_scope(IMAGES_OTHERS, visit, context);
}

static int read_loads(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    *(unsigned long long *)context = info->dlpi_adds;
    return 1; // each image says the same
}

unsigned long long image_loads(void) {
    unsigned long long loads = 0;
    if (is_child()) {
        for (const struct link_map *map = _r_debug.r_map; map != NULL; map = map->l_next)
            loads++;
        return loads;
    }
    dl_iterate_phdr(read_loads, &loads);
    return loads;
}

static bool has_writable(const struct image *image, void *address) {
    return (uintptr_t)address >= image->writable_start && (uintptr_t)address < image->writable_end;
}

bool image_is_writable(const void *address) {
    return image_visit_scope(IMAGES_ALL, has_writable, (void *)(uintptr_t)address);
}

struct definition {
    const char *name;
    struct image *found;
    bool but_shims;
};

static bool defines(const struct image *image, void *context) {
    const struct definition *definition = context;
    if (image_symbol(image, definition->name) == NULL)
        return false;
    // Another copy of this library has nothing to do: see image_is_first_shim.
    if (definition->but_shims && image_symbol(image, SHIM_SYMBOL) != NULL)
        return false;
    *definition->found = *image;
    return true;
}

bool image_defining(const char *name, struct image *found) {
    return image_defining_in(IMAGES_OTHERS, name, found);
}

bool image_defining_in(enum image_scope scope, const char *name, struct image *found) {
    struct definition definition = {name, found, scope != IMAGES_ALL};
    return image_visit_scope(scope, defines, &definition);
}

static bool is_same(const struct image *image, void *context) {
    const struct image *other = context;
    return image->base == other->base && image->dynamic == other->dynamic;
}

bool image_is_loaded(const struct image *image) {
    return image_visit(is_same, (void *)(uintptr_t)image);
}

bool image_is_first_shim(void) {
    struct image first;
    return !image_defining_in(IMAGES_ALL, SHIM_SYMBOL, &first) ||
           image_contains(&first, (uintptr_t)&own_marker);
}
