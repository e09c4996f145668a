#include "languages/cplusplus/timer.h"

#include "base/compiler.h"
#include "base/generation.h"
#include "base/record_memory.h"
#include "cores/scope.h"
#include "cores/state.h"
#include "languages/cplusplus/alarm.h"
#include "languages/cplusplus/functions.h"
#include "life/first_use.h"
#include "loader/image.h"
#include "loader/image_list.h"
#include "objects/revival.h"

#include <string.h>

// grpc_closure, as far as it is used here (src/core/lib/iomgr/closure.h from 1.30 to 1.51). The
// error is a word, or the address of one since it is an absl::Status.
typedef void closure_function(void *argument, uintptr_t error);
struct closure {
    uintptr_t next;
    closure_function *function;
    void *argument;
};

// A timer that is running. Its argument is the closure's.
struct timer {
    struct alarm alarm; // the handle is the address of the grpc_timer
    struct closure *closure;
    closure_function *function; // the closure's own
};

bool cplusplus_timers_are_known(const struct core *core) {
    const struct cplusplus_functions *functions = cplusplus_functions_of(core);
    return functions != NULL && functions->set_timer != NULL;
}

static const struct cplusplus_functions *functions_of(const struct timer *timer) {
    return cplusplus_functions_of(object_core(&timer->alarm.object));
}

// Calls the closure's own function.
static void timer_ended(void *context, uintptr_t error) {
    struct timer *timer = context;
    alarm_fires(&timer->alarm);
    timer->function(timer->alarm.argument, error);
    alarm_fired(&timer->alarm);
    alarm_dropped(&timer->alarm);
}

// GRPC_ERROR_CANCELLED, before errors became absl::Status (src/core/lib/iomgr/error_internal.h).
#define OLD_ERROR_CANCELLED 4

static void call_as_cancelled(const struct timer *timer) {
    struct returned_words status;
    uintptr_t error = OLD_ERROR_CANCELLED;
    if (functions_of(timer)->make_cancelled != NULL) {
        status = functions_of(timer)->make_cancelled(NULL, 0);
        error = (uintptr_t)&status;
    }
    timer->function(timer->alarm.argument, error);
}

// The timer is in no list of this process's core: from now on it reads as never set.
static void detach(struct timer *timer) {
    timer->closure->function = timer->function;
    timer->closure->argument = timer->alarm.argument;
    functions_of(timer)->unset_timer(timer->alarm.object.handle);
}

static void end(struct alarm *alarm) {
    struct timer *timer = (struct timer *)alarm;
    detach(timer);
    call_as_cancelled(timer);
}

static void note_timer(const struct core *core, void *address, struct closure *closure) {
    struct timer *timer = record_allocate_zeroed(sizeof(*timer));
    if (timer == NULL) {
        RECORD_LOST("an alarm");
        return;
    }
    void *argument = closure->argument;
    timer->closure = closure;
    timer->function = closure->function;
    closure->function = timer_ended;
    closure->argument = timer;
    alarm_starts(core, &timer->alarm, address, argument, end);
}

static void set_timer(void *timer, uintptr_t deadline, struct closure *closure) {
    struct core *core = grpc_enter(CALLER);
    if (core_is_protected(core))
        note_timer(core, timer, closure);
    cplusplus_functions_of(core)->set_timer(timer, deadline, closure);
}

static void cancel_inherited(struct timer *timer) {
    // The program's function is called by gRPC's thread, once there is one.
    if (grpc_is_inherited() && !timer->alarm.has_tag)
        detach(timer);
    else
        alarm_end(&timer->alarm);
}

static void cancel_timer(void *address) {
    const struct core *core = grpc_enter_release(CALLER);
    struct object *object =
        current_generation() > 0 ? registry_acquire(OBJECT_ALARM, address, 0) : NULL;
    if (object != NULL && object_is_inherited(object))
        cancel_inherited((struct timer *)object);
    else if (!grpc_is_inherited())
        cplusplus_functions_of(core)->cancel_timer(address);
    object_unreference(object);
}

static void unset_timer(void *timer) {
    cplusplus_functions_of(core_of(CALLER))->unset_timer(timer);
}

static bool is_cancelled(const char *name) {
    return image_name_begins(name, "_ZN4absl") && strstr(name, "14CancelledErrorE") != NULL;
}

// By its name in abseil's namespace, which the core knows.
static void find_cancelled(const struct core *core, struct cplusplus_functions *functions) {
    struct image image;
    const char *name = image_find_import(&core->image, is_cancelled);
    if (name == NULL || !cplusplus_defining(core, name, &image))
        return;
    void *address = image_symbol(&image, name);
    memcpy(&functions->make_cancelled, &address, sizeof(address));
}

// Errors are what grpc_cq_end_op says in its mangled name.
static void find_errors(const struct core *core) {
    struct cplusplus_functions *functions = cplusplus_functions_of(core);
    if (cplusplus_timers_are_known(core) && functions->make_cancelled == NULL &&
        image_symbol(&core->image,
                     "_Z14grpc_cq_end_opP21grpc_completion_queuePvP10grpc_errorPFvS1_P18grpc_cq_"
                     "completionES1_S6_b") == NULL)
        find_cancelled(core, functions);
}

void cplusplus_find_timer_errors(void) {
    FOR_EACH_CORE(core) {
        find_errors(core);
    }
}

static const struct binding bindings[] = {
    {.mangled = "_Z21grpc_timer_init_unsetP",
     .wrapper = BINDING_ADDRESS(unset_timer),
     .real = BINDING_REAL(unset_timer)},
    {.mangled = "_Z15grpc_timer_initP",
     .wrapper = BINDING_ADDRESS(set_timer),
     .real = BINDING_REAL(set_timer)},
    {.mangled = "_Z17grpc_timer_cancelP",
     .wrapper = BINDING_ADDRESS(cancel_timer),
     .real = BINDING_REAL(cancel_timer)},
};

const struct binding_table cplusplus_timer_bindings = {bindings, ARRAY_LENGTH(bindings)};
