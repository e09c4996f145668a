#include "life/first_use.h"

#include "base/generation.h"
#include "base/log.h"
#include "cores/assumptions.h"
#include "cores/functions.h"
#include "cores/snapshot.h"
#include "cores/state.h"
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

// The program calls gRPC for the first time in this process and its parents.
static void begin_protection(void) {
    STEPS_RUN(found) // for what was loaded since
    attach_find_others_locks();
    if (current_generation() > 0) {
        release_others_locks();
        counters_child_uses_grpc();
    }
    if (!snapshot_take()) {
        state_set_unprotected(finding_path(), "its data can't be copied");
        return;
    }
    if (log_enabled(LOG_INFO))
        log_write(LOG_INFO, "protecting gRPC %s of %s", grpc.grpc_version_string(), finding_path());
    state_set(STATE_PROTECTED);
    counters_set_protected(RECORD_LIBRARY, finding_start());
    counters_set_state(RECORD_protected);
}

uint32_t first_use_begin_child(void) {
    identity_notice_child();
    work_begin();
    release_others_locks();
    work_end();
    if (!grpc_is_protected()) {
        counters_child_uses_grpc();
        counters_set_state(RECORD_protected);
    }
    return current_generation();
}

// The last of the checks: a gRPC that still calls itself initialised has state that was not put
// back. It gets back the data that it was inherited with, and the records hold as in the parent.
static bool rewind_data(void) {
    unsigned char *inherited_data = snapshot_save();
    snapshot_rewind();
    bool rewound = !grpc.grpc_is_initialized();
    if (!rewound) {
        if (inherited_data != NULL)
            snapshot_restore(inherited_data);
        generation_take_back();
        state_set_unprotected("this process",
                              "it does not read as uninitialised after its data was put back");
    }
    free(inherited_data);
    return rewound;
}

static void revive(void) {
    if (rewind_data())
        order_run(order_again);
}

static void do_work(bool only_releasing) {
    if (state_of_grpc() == STATE_NOT_FOUND)
        finding_at_call();
    if (state_of_grpc() == STATE_FOUND)
        begin_protection();
    if (grpc_is_inherited() && state_of_grpc() == STATE_PROTECTED) {
        // What the program does next may wait for one of these locks without passing by here.
        release_others_locks();
        if (only_releasing)
            return; // and remain inherited
        revive();
    }
    if (state_of_grpc() == STATE_NOT_FOUND)
        return;
    loader_ask();
    state_set_inherited(false);
    page_set_ready();
    identity_note_ready();
}

static void prepare(const void *caller, bool only_releasing) {
    if (work_is_mine() || grpc_is_inside(caller))
        return;
    int saved_errno = errno;
    work_start_process();
    finding_pin();
    identity_notice_child();
    work_begin();
    if (!page_is_ready())
        do_work(only_releasing);
    work_end();
    errno = saved_errno;
}

void first_use_prepare(const void *caller) {
    prepare(caller, false);
}

void first_use_prepare_release(const void *caller) {
    prepare(caller, true);
}

void first_use_object_made(void) {
    STEPS_RUN(object_made)
}

// Whatever the program did to gRPC where no call could be seen (by dlsym(3), or in a library that
// is loaded with RTLD_DEEPBIND) comes first. gRPC reads its environment when it is asked this, as
// it does when it is initialised, so it is not asked earlier. Others that are about to initialise
// it wait until it has answered.
static void check_first_initialisation(void) {
    static _Atomic bool checked;
    if (likely(atomic_load_explicit(&checked, memory_order_acquire)))
        return;
    work_begin();
    if (!atomic_load(&checked) && grpc_is_protected() && grpc.grpc_is_initialized())
        state_set_unprotected("this process", "it was initialised before the shim could see it");
    atomic_store(&checked, true);
    work_end();
}

void first_use_initialising(const void *caller) {
    check_first_initialisation();
    STEPS_RUN(initialising, caller)
}

// Whoever revives gRPC initialises it as often as is counted then: one that is taken back by
// another thread meanwhile is either not counted or taken back there too.
bool first_use_take_back_initialisation(void) {
    if (likely(!grpc_is_inherited()))
        return initialisations_take_back();
    bool nested = work_is_mine();
    if (!nested)
        work_begin();
    bool was_inherited = grpc_is_inherited();
    bool taken = initialisations_take_back();
    if (!nested)
        work_end();
    return taken && !was_inherited;
}

void first_use_initialised(void) {
    static _Atomic bool checked;
    if (likely(atomic_load_explicit(&checked, memory_order_relaxed)) ||
        atomic_exchange(&checked, true) || !grpc_is_protected())
        return;
    const char *why = assumptions_about_initialisation();
    if (why != NULL)
        state_set_unprotected("this process", why);
}
