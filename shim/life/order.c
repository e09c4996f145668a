#include "life/order.h"

#include "base/generation.h"
#include "base/log.h"
#include "cores/core.h"
#include "cores/detection.h"
#include "cores/scope.h"
#include "cores/settings.h"
#include "cores/state.h"
#include "descriptors/descriptors.h"
#include "life/steps.h"
#include "life/work.h"
#include "loader/image_list.h"
#include "locks/abseil.h"
#include "locks/openssl.h"
#include "objects/registry.h"
#include "objects/revival.h"
#include "operations/completion_queue.h"
#include "operations/delivery.h"
#include "operations/pending.h"
#include "operations/thread.h"
#include "process/identity.h"
#include "process/page.h"
#include "process/shared_memory.h"
#include "report/counters.h"

#include <stddef.h>
#include <stdint.h>

// --- prepare -----------------------------------------------------------------------------------

static void make_shared_memory(void) {
    if (cores_are_followed())
        shared_memory_own();
}

action *const order_prepare[] = {
    // A child that no handler has seen must not count its forks in what its parent shares.
    identity_notice_child,
    // What the child counts itself in; it can't be given to it later.
    make_shared_memory,
    // Afterwards a write would cost the parent a page.
    counters_fork_begins,
    // Last, since it holds something up: descriptors that are closed from here on stay in the
    // table.
    descriptors_fork_begins,
    NULL,
};

// --- parent ------------------------------------------------------------------------------------

action *const order_parent[] = {
    descriptors_fork_ended, // first, as it was the last of the former
    detection_report,
    NULL,
};

// --- child -------------------------------------------------------------------------------------

action *const order_child[] = {
    // gRPC may be loaded later in this process, and what it has then is none of its parent's.
    descriptors_note_fork,
    work_reset_in_child,
    NULL,
};

// --- a child that has something to begin with ----------------------------------------------------

static void begin_generation(void) {
    counters_reset_in_child(generation_begin());
    counters_set_state(RECORD_inherited);
}

static void tell_languages(void) {
    STEPS_RUN(forked)
}

static void inherit(void) {
    state_set_inherited(cores_protect_any());
}

action *const order_new_child[] = {
    // First: what belongs to which generation is asked all the time.
    begin_generation,
    // The tables are whole; whoever was at them is not here.
    scope_reset_in_child,
    registry_reset_locks_in_child,
    revival_reset_locks_in_child,
    // At once, while the parent is about to say what it was opening.
    descriptors_close_in_child,
    // Before any code of the program's takes one of abseil's locks.
    abseil_remember_in_child,
    tell_languages,
    thread_survives_in_child,
    delivery_reset_in_child,
    // Last: they say that all of this is done, and what is left.
    inherit,
    page_clear_in_child,
    NULL,
};

// --- first use in such a child -------------------------------------------------------------------

static void initialise_core_again(const struct core *core) {
    // The log's function and the verbosity: for what is said while gRPC is initialised.
    settings_replay_before_initialisation(core);
    for (uint32_t i = core_initialisations(core); i > 0; i--)
        core->grpc.grpc_init();
    // The tracers: initialisation would overwrite them.
    settings_replay_after_initialisation(core);
    log_write(LOG_DEBUG, "gRPC started anew, generation %u, initialised %u times",
              current_generation(), core_initialisations(core));
}

static void initialise_again(void) {
    FOR_EACH_CORE(core) {
        if (core_is_protected(core))
            initialise_core_again(core);
    }
}

static void tell_languages_of_revival(void) {
    STEPS_RUN(revived)
}

static void count_call(struct object *call, void *count) {
    object_unreference(call);
    ++*(uint64_t *)count;
}

static void count_revival(void) {
    uint64_t calls = 0;
    registry_visit(OBJECT_CALL, count_call, &calls);
    PROBE1(calls_cancelled, calls);
    counters_add(COUNTER_calls_cancelled, calls);
    counters_child_uses_grpc();
    counters_set_state(RECORD_protected);
}

action *const order_again[] = {
    settings_reset_lock_in_child,
    initialise_again,
    tell_languages_of_revival,
    // Before anything is given out to the program's reactions.
    delivery_watch_exit,
    completion_queue_reset_locks_in_child,
    pending_inherit,
    count_revival,
    NULL,
};
