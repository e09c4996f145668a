#include "cores/exit.h"

#include "base/generation.h"
#include "base/record_memory.h"
#include "cores/core.h"
#include "cores/core_images.h"
#include "cores/static_images.h"
#include "loader/image.h"
#include "process/identity.h"

#include <stdatomic.h>
#include <stdint.h>

struct registration {
    void (*destructor)(void *);
    void *object;
    const void *image; // of one that was made at loading: it counts if that is protected at the end
    uint32_t generation;
};

// The images with a part of gRPC's core that were seen to run constructors. Some of them come
// before this library's constructor, so before any is looked for.
#define CORES_MAXIMUM 8
static struct {
    _Atomic(const void *) handle;
    uintptr_t start, end;
} cores[CORES_MAXIMUM];

static size_t find_core(const void *handle) {
    size_t i = 0;
    while (i < CORES_MAXIMUM && atomic_load(&cores[i].handle) != handle)
        i++;
    return i;
}

void exit_core_loaded(const void *handle, const struct image *image) {
    static _Atomic size_t count;
    size_t i;
    if (find_core(handle) < CORES_MAXIMUM || (i = atomic_fetch_add(&count, 1)) >= CORES_MAXIMUM)
        return;
    cores[i].start = image->start;
    cores[i].end = image->end;
    // Last: whoever finds the handle reads the range.
    atomic_store(&cores[i].handle, handle);
}

// Whether the handle is that of a part of gRPC's core, and the destructor code of that part.
static bool is_core_code(const void *handle, uintptr_t destructor) {
    size_t i = find_core(handle);
    return i < CORES_MAXIMUM && destructor >= cores[i].start && destructor < cores[i].end;
}

static bool is_protected(const void *image) {
    const struct core *core = core_images_core_at(image);
    return core != NULL && core_is_protected(core);
}

static void run(void *context) {
    const struct registration *registration = context;
    const void *image = registration->image;
    identity_notice_child();
    if (registration->generation == current_generation() || (image != NULL && !is_protected(image)))
        registration->destructor(registration->object);
}

static void bind_to_process(void (**destructor)(void *), void **object, const void *image) {
    struct registration *registration = record_allocate(sizeof(*registration));
    if (registration == NULL) {
        RECORD_LOST("a destructor of gRPC's");
        return;
    }
    *registration = (struct registration){*destructor, *object, image, current_generation()};
    *destructor = run;
    *object = registration;
}

bool exit_bind_to_process(void (**destructor)(void *), void **object, const void *image) {
    uintptr_t code = (uintptr_t)*destructor;
    bool in_use = is_protected(image);
    if (in_use || static_images_cover(image)) {
        if (current_generation() > 0 &&
            (core_images_cover((void *)code) || static_images_cover((void *)code)))
            return false;
        bind_to_process(destructor, object, NULL);
    } else if (is_core_code(image, code)) {
        bind_to_process(destructor, object, image);
    }
    return true;
}
