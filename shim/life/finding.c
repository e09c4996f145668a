#include "life/finding.h"

#include "base/compiler.h"
#include "base/configuration.h"
#include "cores/core.h"
#include "cores/detection.h"
#include "cores/exit.h"
#include "cores/scope.h"
#include "cores/state.h"
#include "cores/static_images.h"
#include "descriptors/descriptors.h"
#include "life/attach.h"
#include "life/fork.h"
#include "life/steps.h"
#include "life/work.h"
#include "loader/image_list.h"
#include "loader/libc.h"
#include "process/identity.h"
#include "process/page.h"
#include "report/counters.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

void finding_pin(void) {
    if (cores_count() == 0)
        attach_pin();
}

// Gets all ready for the core. Returns why it can't be protected, or NULL.
static const char *prepare_for(struct core *core) {
    const char *why = attach_prepare(core);
    if (why != NULL)
        return why;
    detection_withdraw(core->image.path);
    (void)libc_function(_Fork); // bound before a signal handler calls it
    page_make();
    STEPS_RUN(found)
    if (!cores_are_followed())
        identity_note_process();
    core_set_state(core, CORE_FOUND);
    return NULL;
}

static void find_cores(void) {
    attach_find();
    // From here on each call is asked whose it is.
    if (cores_count() > 1)
        page_set_only(NULL);
}

// gRPC's libraries are being loaded, or were before this one: nothing of gRPC's may be called. What
// can't be protected is told of when the program uses it, or forks.
static void find(void) {
    image_list_keep();
    attach_pin();
    work_begin();
    find_cores();
    FOR_EACH_CORE(core) {
        const char *why = core_state(core) == CORE_NOT_FOUND ? prepare_for(core) : NULL;
        if (why != NULL)
            detection_found(core->image.path, why);
    }
    scope_bind_calls();
    work_end();
    image_list_drop();
}

// The first call finds what no constructor has told of, and what is not to be protected.
void finding_at_call(struct core *core) {
    fork_register_handlers();
    if (configuration()->disabled) {
        core_set_state(core, CORE_UNPROTECTED);
        counters_set_state(RECORD_disabled);
        return;
    }
    const char *why = prepare_for(core);
    if (why != NULL)
        core_set_unprotected(core, core->image.path, why);
}

void finding_look(void) {
    if (cores_count() == 0)
        find_cores();
}

bool finding_attach_static(const struct image *image) {
    work_start_process();
    fork_register_handlers();
    identity_notice_child();
    work_begin();
    bool followed = cores_are_followed();
    if (!static_images_exist()) {
        functions_bind_ares();
        descriptors_start();
        (void)libc_function(_Fork);
        page_make();
    }
    if (!followed)
        identity_note_process();
    bool added = static_images_add(image);
    if (!cores_protect_any())
        counters_set_state(RECORD_protected);
    attach_find_others_locks();
    work_end();
    return added;
}

// --- noticing gRPC ------------------------------------------------------------------------------

static _Atomic bool watching; // the constructor has run
static const void *_Atomic last_library;

struct library {
    const void *handle;
    struct image image;
};

static bool is_of_library(const struct image *image, void *context) {
    struct library *library = context;
    library->image = *image;
    return image_contains(image, (uintptr_t)library->handle);
}

static void look_at(const struct image *image) {
    STEPS_RUN(library_loaded, image)
    scope_bind_calls();
    // Not this image alone: what it needs is there too, and may have no constructor of this kind
    // (libgrpc_unsecure of 1.30 has none).
    if (attach_finds_more())
        find();
}

// What the program is linked with comes before this library's constructor: its destructors alone
// can't wait to be looked at.
void finding_library_loaded(const void *handle) {
    if (likely(handle == atomic_load_explicit(&last_library, memory_order_relaxed)) ||
        handle == NULL || work_is_mine() || configuration()->disabled)
        return;
    int saved_errno = errno;
    struct library library = {.handle = handle};
    atomic_store(&last_library, handle);
    if (image_visit(is_of_library, &library)) {
        if (attach_is_part(&library.image))
            exit_core_loaded(handle, &library.image);
        if (atomic_load(&watching))
            look_at(&library.image);
    }
    errno = saved_errno;
}

// --- callers ------------------------------------------------------------------------------------

// A core that comes in beside another one, with a plugin in C, may have told nobody. Where a
// program initialises gRPC is a handful of images: a call from any other is reason to look.
#define CALLERS_KNOWN 2
static struct { _Atomic uintptr_t start, end; } callers[CALLERS_KNOWN];
static _Atomic unsigned next_caller;

static bool is_known(uintptr_t caller) {
    for (size_t i = 0; i < CALLERS_KNOWN; i++) {
        if (caller >= atomic_load_explicit(&callers[i].start, memory_order_relaxed) &&
            caller < atomic_load_explicit(&callers[i].end, memory_order_relaxed))
            return true;
    }
    return false;
}

static void forget_caller(size_t place) {
    atomic_store(&callers[place].end, 0);
}

static bool note_caller(const struct image *image, void *caller) {
    if (!image_contains(image, (uintptr_t)caller))
        return false;
    size_t place = atomic_fetch_add(&next_caller, 1) % CALLERS_KNOWN;
    forget_caller(place);
    atomic_store(&callers[place].start, image->start);
    atomic_store(&callers[place].end, image->end);
    return true;
}

bool finding_notice_caller(const void *caller) {
    if (likely(is_known((uintptr_t)caller)) || work_is_mine() || configuration()->disabled)
        return false;
    int saved_errno = errno;
    bool more = attach_finds_more();
    if (more)
        find();
    image_visit(note_caller, (void *)(uintptr_t)caller);
    errno = saved_errno;
    return more;
}

void finding_forget_callers(void) {
    for (size_t i = 0; i < CALLERS_KNOWN; i++)
        forget_caller(i);
}

void finding_begin(void) {
    int saved_errno = errno;
    if (configuration()->disabled)
        return;
    atomic_store(&watching, true);
    atomic_store(&last_library, NULL);
    if (attach_finds_more()) {
        fork_register_handlers();
        find();
    }
    errno = saved_errno;
}
