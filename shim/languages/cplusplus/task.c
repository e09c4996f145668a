#include "languages/cplusplus/task.h"

#include "base/compiler.h"
#include "base/generation.h"
#include "base/record_memory.h"
#include "cores/grpc_abi.h"
#include "cores/state.h"
#include "languages/cplusplus/alarm.h"
#include "languages/cplusplus/engine.h"
#include "languages/cplusplus/functions.h"
#include "languages/cplusplus/timer.h"
#include "life/first_use.h"
#include "loader/image.h"
#include "loader/image_list.h"

#include <string.h>

// A task that waits, or whose function does. libgrpc++'s alarm is both its handle and its argument;
// the function has its address for the first word.
struct task {
    struct alarm alarm;
    struct invocable function;
};

// The core whose alarm this thread sets, and has not come to its engine yet.
static THREAD_LOCAL const struct core *setting;

// This thread cancels a task of an engine's; the one that was, whose alarm is going to say what to
// run instead.
static THREAD_LOCAL bool cancelling;
static THREAD_LOCAL struct task *cancelled;

// The inherited alarm that this thread is ending.
static THREAD_LOCAL struct task *ending;

bool cplusplus_task_comes(void) {
    return setting != NULL;
}

// --- our functions, in which libgrpc++'s are ---------------------------------------------------

static struct task *task_of(void *const *words) {
    return words[0];
}

static void invoke(void **words) {
    struct task *task = task_of(words);
    alarm_fires(&task->alarm);
    task->function.invoke(task->function.words);
    alarm_fired(&task->alarm);
}

static void destroy(struct invocable *function) {
    function->manage(0, function->words, function->words);
}

static void release(struct task *task) {
    TAKEN_UP(&task->alarm);
    destroy(&task->function);
    alarm_dropped(&task->alarm);
}

static void manage(unsigned char operation, void **from, void **to) {
    (void)operation;
    if (from != to) {
        to[0] = from[0];
        to[1] = from[1];
    } else if (cancelling) {
        cancelled = task_of(from);
    } else {
        release(task_of(from));
    }
}

static void manage_nothing(unsigned char operation, void **from, void **to) {
    (void)operation;
    (void)from;
    (void)to;
}

// Moves a function out, as its constructor does that moves one. One that is moved by more than its
// bytes is not kept in two words.
static void move(struct invocable *to, struct invocable *from) {
    *to = *from;
    from->manage = manage_nothing;
    from->invoke = NULL;
}

static struct invocable wrap(struct task *task) {
    return (struct invocable){{task, NULL}, manage, invoke};
}

// --- an inherited alarm ------------------------------------------------------------------------

// Lets the alarm cancel its task. Its functions are then asked to cancel and to run below.
static void end(struct alarm *alarm) {
    // Whichever word is the member.
    void *words[] = {alarm->argument, alarm->argument, alarm->argument, alarm->argument};
    struct task *task = (struct task *)alarm;
    ending = task;
    cplusplus_functions_of(object_core(&alarm->object))->cancel_alarm(words);
    ending = NULL;
}

// What the alarm runs as it was cancelled: at once if it is for its queue, where nothing of it gets
// to; by a thread of this process's engine if it calls the program.
static void run_cancelled(void *engine, struct invocable *function) {
    if (ending->alarm.has_tag) {
        function->invoke(function->words);
        return;
    }
    void *own = engine_adopt(ending->alarm.argument, engine);
    if (own != engine)
        engine_functions_of(own)->run(own, function);
}

// --- the engines' functions --------------------------------------------------------------------

static struct task_handle run_task_after(const struct core *core, void *engine, int64_t delay,
                                         struct invocable *function) {
    struct task *task = record_allocate_zeroed(sizeof(*task));
    if (task == NULL) {
        RECORD_LOST("an alarm");
        return engine_functions_of(engine)->run_after(engine, delay, function);
    }
    void *alarm = function->words[0];
    move(&task->function, function);
    struct invocable own = wrap(task);
    alarm_starts(core, &task->alarm, alarm, alarm, end);
    struct task_handle handle = engine_functions_of(engine)->run_after(engine, delay, &own);
    if (own.manage == manage)
        destroy(&own);
    return handle;
}

static struct task_handle run_after(void *engine, int64_t delay, struct invocable *function) {
    const struct core *core = setting;
    if (likely(core == NULL))
        return engine_functions_of(engine)->run_after(engine, delay, function);
    setting = NULL;
    if (engine_is_inherited(engine))
        engine = engine_adopt(function->words[0], engine);
    if (!core_is_protected(core))
        return engine_functions_of(engine)->run_after(engine, delay, function);
    return run_task_after(core, engine, delay, function);
}

static void forget_cancelled(void) {
    struct task *task = cancelled;
    cancelled = NULL;
    if (task != NULL)
        release(task);
}

static bool cancel(void *engine, struct task_handle handle) {
    if (unlikely(ending != NULL))
        return true;
    // Until gRPC is used here, and the alarms are ended.
    if (unlikely(current_generation() > 0) && engine_is_inherited(engine))
        return false;
    if (likely(cores_made_call(CALLER)))
        return engine_functions_of(engine)->cancel(engine, handle);
    forget_cancelled();
    cancelling = true;
    bool was_waiting = engine_functions_of(engine)->cancel(engine, handle);
    cancelling = false;
    if (!was_waiting)
        forget_cancelled();
    return was_waiting;
}

// The alarm's record goes on from its task to what it runs because that was cancelled, with no
// moment between the two.
static void run(void *engine, struct invocable *function) {
    struct task *task = cancelled;
    if (unlikely(ending != NULL)) {
        run_cancelled(engine, function);
    } else if (unlikely(task != NULL) && function->words[0] == task->alarm.argument) {
        cancelled = NULL;
        destroy(&task->function);
        move(&task->function, function);
        struct invocable own = wrap(task);
        HANDED_ON(&task->alarm);
        engine_functions_of(engine)->run(engine, &own);
        if (own.manage == manage)
            destroy(&own);
    } else {
        engine_functions_of(engine)->run(engine, function);
    }
}

static void bind_tasks_of(const struct core *core, struct cplusplus_functions *functions) {
    static const struct engine_functions own = {run_after, cancel, run};
    struct image image;
    if (functions->tasks_tried || cplusplus_timers_are_known(core) ||
        !cplusplus_defining(core, "_ZN4grpc5Alarm6CancelEv", &image))
        return;
    functions->tasks_tried = true;
    void *address = image_symbol(&image, "_ZN4grpc5Alarm6CancelEv");
    memcpy(&functions->cancel_alarm, &address, sizeof(address));
    functions->tasks_bound = engine_bind(&core->image, &own);
}

void cplusplus_bind_tasks(void) {
    if (cplusplus_engine_bindings.count == 0)
        return;
    FOR_EACH_CORE(core) {
        if (cplusplus_functions_of(core) != NULL)
            bind_tasks_of(core, cplusplus_functions_of(core));
    }
}

// --- setting an alarm --------------------------------------------------------------------------

static void set_tag(void *alarm, void *queue, gpr_timespec deadline, void *tag) {
    const struct core *core = grpc_enter(CALLER);
    const struct cplusplus_functions *functions = cplusplus_functions_of(core);
    setting = functions->tasks_bound ? core : NULL;
    functions->set_tag(alarm, queue, deadline, tag);
    setting = NULL;
}

// A std::function is passed by address.
static void set_function(void *alarm, gpr_timespec deadline, void *function) {
    const struct core *core = grpc_enter(CALLER);
    const struct cplusplus_functions *functions = cplusplus_functions_of(core);
    setting = functions->tasks_bound ? core : NULL;
    functions->set_function(alarm, deadline, function);
    setting = NULL;
}

static const struct binding bindings[] = {
    {.mangled = "_ZN4grpc5Alarm11SetInternalEPNS_15CompletionQueueE12gpr_timespecPv",
     .wrapper = BINDING_ADDRESS(set_tag),
     .real = BINDING_REAL(set_tag)},
    {.mangled = "_ZN4grpc5Alarm11SetInternalE12gpr_timespecSt8functionI",
     .wrapper = BINDING_ADDRESS(set_function),
     .real = BINDING_REAL(set_function)},
};

const struct binding_table cplusplus_task_bindings = {bindings, ARRAY_LENGTH(bindings)};
