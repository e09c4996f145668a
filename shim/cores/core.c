#include "cores/core.h"

#include "cores/detection.h"
#include "report/counters.h"

#include <stdlib.h>

_Static_assert(CORES_MAXIMUM <= RECORD_LIBRARIES, "a place for each in the record");

_Atomic(struct cores *) cores_known;

// The first core's calls have to get to it even where memory is lacking.
static struct core first;
static struct cores cores;

static struct core *make(size_t index) {
    if (index == 0)
        return &first;
    return index < CORES_MAXIMUM ? calloc(1, sizeof(struct core)) : NULL;
}

struct core *cores_find(const struct image *image) {
    FOR_EACH_CORE(core) {
        if (core->image.start == image->start)
            return core;
    }
    return NULL;
}

// A core is complete before it is counted: other threads ask meanwhile, and a child may see the
// table at any instant.
struct core *cores_add(const struct image *image) {
    size_t count = cores_count();
    struct core *core = make(count);
    if (core == NULL)
        return NULL;
    core->index = (unsigned)count;
    core->image = *image;
    core->bound_to = core;
    functions_bind(&core->grpc, image);
    cores.all[count] = core;
    atomic_store(&cores.count, count + 1);
    atomic_store(&cores_known, &cores);
    return core;
}

#define ABSENT(result, name, parameters)                                                           \
    .grpc.name = (__typeof__(core_absent.grpc.name))(void (*)(void))function_absent,

struct core core_absent RELOCATED_CONSTANT = {.bound_to = &core_absent,
                                              .asked_before = true,
                                              .asked_after = true,
                                              GRPC_SYMBOLS(ABSENT, ABSENT)};

bool cores_protect_any(void) {
    FOR_EACH_CORE(core) {
        if (core_is_protected(core))
            return true;
    }
    return false;
}

void core_set_state(struct core *core, enum core_state state) {
    atomic_store(&core->state, state);
}

void core_set_unprotected(struct core *core, const char *what, const char *why) {
    detection_unprotected(what, why);
    counters_set_protected(core->index, 0);
    core_set_state(core, CORE_UNPROTECTED);
    if (!cores_protect_any())
        counters_set_state(RECORD_unprotected);
}

void core_add_initialisation(struct core *core) {
    if (unlikely(core == &core_absent))
        return;
    atomic_fetch_add(&core->initialisations, 1);
}

bool core_take_initialisation_back(struct core *core) {
    uint32_t count = atomic_load(&core->initialisations);
    while (count > 0) {
        if (atomic_compare_exchange_weak(&core->initialisations, &count, count - 1))
            return true;
    }
    return false;
}

uint32_t core_initialisations(const struct core *core) {
    return atomic_load(&core->initialisations);
}
