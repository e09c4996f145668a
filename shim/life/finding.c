#include "life/finding.h"

#include "base/compiler.h"
#include "base/configuration.h"
#include "cores/detection.h"
#include "cores/exit.h"
#include "cores/functions.h"
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

static const char *core_path;
static uintptr_t core_start;

const char *finding_path(void) {
    return core_path;
}

uintptr_t finding_start(void) {
    return core_start;
}

void finding_pin(void) {
    if (state_of_grpc() == STATE_NOT_FOUND)
        attach_pin();
}

// Gets all ready for the core, which is there. Returns why it can't be protected, or NULL.
static const char *prepare_for(const struct image *core) {
    const char *why = attach_prepare(core);
    if (why != NULL)
        return why;
    detection_withdraw(core->path);
    (void)libc_function(_Fork); // bound before a signal handler calls it
    page_make();
    STEPS_RUN(found)
    core_path = core->path;
    core_start = core->start;
    if (!grpc_is_followed())
        identity_note_process();
    state_set(STATE_FOUND);
    return NULL;
}

// gRPC's libraries are being loaded, or were before this one: nothing of gRPC's may be called. What
// can't be protected is told of when the program uses it, or forks.
static void find(void) {
    struct image core;
    const char *why = NULL;
    image_list_keep();
    attach_pin();
    work_begin();
    if (state_of_grpc() == STATE_NOT_FOUND && attach_find(&core))
        why = prepare_for(&core);
    if (why != NULL)
        detection_found(core.path, why);
    work_end();
    image_list_drop();
}

// The first call finds what no constructor has told of, and what is not to be protected.
void finding_at_call(void) {
    struct image core;
    if (!attach_find(&core))
        return;
    fork_register_handlers();
    if (configuration()->disabled) {
        state_set(STATE_UNPROTECTED);
        counters_set_state(RECORD_disabled);
        return;
    }
    const char *why = prepare_for(&core);
    if (why != NULL)
        state_set_unprotected(core.path, why);
}

bool finding_attach_static(const struct image *image) {
    work_start_process();
    fork_register_handlers();
    identity_notice_child();
    work_begin();
    bool followed = grpc_is_followed();
    if (!static_images_exist()) {
        functions_bind_ares();
        descriptors_start();
        (void)libc_function(_Fork);
        page_make();
    }
    if (!followed)
        identity_note_process();
    bool added = static_images_add(image);
    if (!grpc_is_protected())
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
    if (state_of_grpc() == STATE_NOT_FOUND && image_symbol(image, CORE_SYMBOL) != NULL)
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

void finding_begin(void) {
    struct image core;
    int saved_errno = errno;
    if (configuration()->disabled)
        return;
    atomic_store(&watching, true);
    atomic_store(&last_library, NULL);
    if (image_defining(CORE_SYMBOL, &core)) {
        fork_register_handlers();
        find();
    }
    errno = saved_errno;
}
