#include "life/first_use.h"

#include "base/generation.h"
#include "base/log.h"
#include "cores/assumptions.h"
#include "cores/core.h"
#include "cores/scope.h"
#include "cores/snapshot.h"
#include "cores/state.h"
#include "cores/thunk.h"
#include "life/attach.h"
#include "life/finding.h"
#include "life/order.h"
#include "life/steps.h"
#include "life/work.h"
#include "loader/loader.h"
#include "locks/abseil.h"
#include "locks/openssl.h"
#include "process/identity.h"
#include "process/page.h"
#include "report/counters.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

// Those of vanished threads in libraries that belong to the program as much as to gRPC.
static void release_others_locks(void) {
    static uint32_t released; // in this generation
    if (released != current_generation()) {
        openssl_release_in_child(current_generation());
        abseil_release_in_child();
    }
    released = current_generation();
}

// The program calls a core for the first time in this process and its parents.
static void begin_protection(struct core *core) {
    STEPS_RUN(found) // for what was loaded since
    attach_find_others_locks();
    if (current_generation() > 0) {
        release_others_locks();
        counters_child_uses_grpc();
    }
    if (!snapshot_take(core)) {
        core_set_unprotected(core, core->image.path, "its data can't be copied");
        return;
    }
    if (log_enabled(LOG_INFO))
        log_write(LOG_INFO, "protecting gRPC %s of %s", core->grpc.grpc_version_string(),
                  core->image.path);
    core_set_state(core, CORE_PROTECTED);
    counters_set_protected(core->index, core->image.start);
    counters_set_state(RECORD_protected);
}

// Those whose functions stand behind this one's, as far as they have any, are used with it.
static void begin_protection_of_all(struct core *core) {
    atomic_store(&core->has_unprotected, false);
    FOR_EACH_CORE(one) {
        if (one->bound_to == core && core_state(one) == CORE_NOT_FOUND)
            finding_at_call(one);
        if (one->bound_to == core && core_state(one) == CORE_FOUND)
            begin_protection(one);
    }
}

uint32_t first_use_begin_child(void) {
    identity_notice_child();
    work_begin();
    release_others_locks();
    work_end();
    if (!cores_protect_any()) {
        counters_child_uses_grpc();
        counters_set_state(RECORD_protected);
    }
    return current_generation();
}

// The last of the checks: a core that still calls itself initialised has state that was not put
// back. It gets back the data that it was inherited with, and its records hold as in the parent.
// One that is bound to another is not asked: its code would begin to initialise the other's data a
// second time (1.30: "assertion failed: g_registered_parsers == nullptr").
static void check_rewound(struct core *core, const unsigned char *inherited_data) {
    if (core->bound_to != core || !core->grpc.grpc_is_initialized())
        return;
    if (inherited_data != NULL)
        snapshot_restore(core, inherited_data);
    core_set_unprotected(core, "this process",
                         "it does not read as uninitialised after its data was put back");
}

static void rewind_all(void) {
    unsigned char *inherited_data[CORES_MAXIMUM] = {NULL};
    FOR_EACH_CORE(core) {
        if (core_is_protected(core)) {
            inherited_data[core->index] = snapshot_save(core);
            snapshot_rewind(core);
        }
    }
    snapshot_put_kept_back();
    FOR_EACH_CORE(core) {
        if (core_is_protected(core))
            check_rewound(core, inherited_data[core->index]);
        free(inherited_data[core->index]);
    }
}

// All cores at once, whichever is used: a record of one may lead to another's, and what a fork
// ended is given out at one time.
static void revive_cores(void) {
    rewind_all();
    if (cores_protect_any())
        order_run(order_again);
    else
        generation_take_back();
}

static bool has_work(const struct core *core) {
    return !page_is_ready() || core_state(core) <= CORE_FOUND ||
           atomic_load(&core->has_unprotected);
}

// `said` is what a thunk has said, or NULL.
static void do_work(struct core *said, const void *caller, bool only_releasing) {
    finding_look();
    struct core *core = said != NULL ? said : scope_core_at(caller);
    if (!has_work(core))
        return; // another thread did it
    if (core != &core_absent)
        begin_protection_of_all(core);
    if (grpc_is_inherited() && cores_protect_any()) {
        // What the program does next may wait for one of these locks without passing by here.
        release_others_locks();
        if (only_releasing)
            return; // and remain inherited
        revive_cores();
    }
    if (core == &core_absent)
        return;
    loader_ask();
    state_set_inherited(false);
    if (cores_count() == 1)
        page_set_only(core);
    page_set_ready();
    identity_note_ready();
}

static struct core *prepare(const void *caller, bool only_releasing) {
    struct core *said = thunk_take_core();
    struct core *core = said != NULL ? said : scope_core_at(caller);
    if (work_is_mine() || cores_made_call(caller) || !has_work(core))
        return core;
    int saved_errno = errno;
    work_start_process();
    finding_pin();
    identity_notice_child();
    work_begin();
    do_work(said, caller, only_releasing);
    work_end();
    core = said != NULL ? said : scope_core_at(caller);
    errno = saved_errno;
    return core;
}

struct core *first_use_prepare(const void *caller) {
    return prepare(caller, false);
}

struct core *first_use_prepare_release(const void *caller) {
    return prepare(caller, true);
}

void first_use_object_made(void) {
    scope_bind_calls();
    STEPS_RUN(object_made)
}

// Whatever the program did to gRPC where no call could be seen (by dlsym(3), or in a library that
// is loaded with RTLD_DEEPBIND) comes first. gRPC reads its environment when it is asked this, as
// it does when it is initialised, so it is not asked earlier. Others that are about to initialise
// it wait until it has answered.
static void check_first_initialisation(struct core *core) {
    if (likely(atomic_load_explicit(&core->asked_before, memory_order_acquire)))
        return;
    work_begin();
    if (!atomic_load(&core->asked_before) && core_is_protected(core) &&
        core->grpc.grpc_is_initialized())
        core_set_unprotected(core, "this process",
                             "it was initialised before the shim could see it");
    atomic_store(&core->asked_before, true);
    work_end();
}

void first_use_initialising(struct core *core, const void *caller) {
    check_first_initialisation(core);
    STEPS_RUN(initialising, caller)
}

// Whoever revives gRPC initialises it as often as is counted then: one that is taken back by
// another thread meanwhile is either not counted or taken back there too.
bool first_use_take_back_initialisation(struct core *core) {
    if (likely(!grpc_is_inherited()))
        return core_take_initialisation_back(core);
    bool nested = work_is_mine();
    if (!nested)
        work_begin();
    bool was_inherited = grpc_is_inherited();
    bool taken = core_take_initialisation_back(core);
    if (!nested)
        work_end();
    return taken && !was_inherited;
}

void first_use_initialised(struct core *core) {
    if (likely(atomic_load_explicit(&core->asked_after, memory_order_relaxed)) ||
        atomic_exchange(&core->asked_after, true) || !core_is_protected(core))
        return;
    const char *why = assumptions_about_initialisation(core);
    if (why != NULL)
        core_set_unprotected(core, "this process", why);
}
