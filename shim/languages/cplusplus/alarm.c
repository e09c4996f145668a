#include "languages/cplusplus/alarm.h"

#include "base/compiler.h"
#include "cores/scope.h"
#include "cores/state.h"
#include "languages/cplusplus/task.h"
#include "languages/cplusplus/timer.h"
#include "life/first_use.h"
#include "objects/revival.h"
#include "operations/pending.h"

static const struct object_operations operations;

// What this thread began and has not given to a timer or task yet.
struct operation {
    const grpc_completion_queue *queue;
    void *tag;
};
static THREAD_LOCAL struct operation begun;

// The queue that an operation was ended on is given back next; by then the program may have
// destroyed its handle.
struct translated {
    const void *handle;
    void *real;
};
static THREAD_LOCAL struct translated ended_on;

// The alarm whose function this thread is in.
static THREAD_LOCAL struct alarm *fired;

// An inherited alarm is being ended: nothing of it may get to the core.
static THREAD_LOCAL bool ending;

static void *real_queue(const void *queue) {
    return object_translate(OBJECT_COMPLETION_QUEUE, queue);
}

// From now on the tag has to come back.
static void note_pending(const struct core *core, void *tag) {
    if (begun.tag == NULL || begun.tag != tag || !core_is_protected(core))
        return;
    pending_begin_without_call(core, begun.queue, &tag);
    begun.tag = NULL;
}

// What is given to a timer or task is noted together with that; where these are not known, at once.
static bool begin_operation(void *queue, void *tag) {
    struct core *core = grpc_enter(CALLER);
    begun = (struct operation){queue, tag};
    if (!cplusplus_timers_are_known(core) && !cplusplus_task_comes())
        note_pending(core, tag);
    return cplusplus_functions_of(core)->begin_operation(real_queue(queue), tag);
}

static void drop_record(struct alarm *alarm) {
    if (registry_remove_object(&alarm->object))
        object_unreference(&alarm->object);
}

static void end_operation(void *queue, void *tag, uintptr_t error, void *done, void *argument,
                          void *storage, uintptr_t internal) {
    struct core *core = ending ? core_of(CALLER) : grpc_enter(CALLER);
    if (ending)
        return;
    note_pending(core, tag);
    // From here on the program may take the tag and destroy the alarm: a child must not find it.
    // That the tag has to come back is noted.
    if (fired != NULL && fired->argument == tag)
        drop_record(fired);
    ended_on = (struct translated){queue, real_queue(queue)};
    cplusplus_functions_of(core)->end_operation(ended_on.real, tag, error, done, argument, storage,
                                                internal);
}

// Up to three parameters more in debug builds.
static void reference_queue(void *queue, uintptr_t b, uintptr_t c, uintptr_t d) {
    struct core *core = grpc_enter(CALLER);
    cplusplus_functions_of(core)->reference_queue(real_queue(queue), b, c, d);
}

static void unreference_queue(void *queue, uintptr_t b, uintptr_t c, uintptr_t d) {
    struct core *core = ending ? core_of(CALLER) : grpc_enter(CALLER);
    if (ending)
        return;
    cplusplus_functions_of(core)->unreference_queue(
        ended_on.handle == queue ? ended_on.real : real_queue(queue), b, c, d);
}

void alarm_starts(const struct core *core, struct alarm *alarm, void *handle, void *argument,
                  void (*end)(struct alarm *alarm)) {
    object_initialise(&alarm->object, &operations, core, handle);
    atomic_store(&alarm->object.references, 2);
    alarm->argument = argument;
    alarm->has_tag = begun.tag != NULL && begun.tag == argument;
    alarm->end = end;
    object_record(&alarm->object);
    note_pending(core, argument);
    HANDED_ON(alarm);
}

// One with a tag is dropped in end_operation. The program's own function may destroy its alarm; a
// child of that moment does not call it once more.
void alarm_fires(struct alarm *alarm) {
    TAKEN_UP(alarm);
    if (!alarm->has_tag)
        drop_record(alarm);
    fired = alarm;
}

void alarm_fired(const struct alarm *alarm) {
    if (fired == alarm)
        fired = NULL;
}

void alarm_dropped(struct alarm *alarm) {
    TAKEN_UP(alarm);
    drop_record(alarm);
    object_unreference(&alarm->object);
}

void alarm_end(struct alarm *alarm) {
    // Of two threads one does it: that which revives gRPC, or one that destroys the alarm.
    if (!registry_remove_object(&alarm->object))
        return;
    ending = alarm->has_tag;
    alarm->end(alarm);
    ending = false;
    object_unreference(&alarm->object); // the registry's
    object_unreference(&alarm->object); // the core's, which does not call it any more
}

// The inherited alarms of one core.
struct collection {
    const struct core *core;
    struct alarm *first;
};

// Keeps the reference.
static void collect(struct object *object, void *context) {
    struct collection *collection = context;
    if (!object_is_inherited(object) || object_core(object) != collection->core) {
        object_unreference(object);
        return;
    }
    struct alarm *alarm = (struct alarm *)object;
    alarm->next = collection->first;
    collection->first = alarm;
}

static void end_alarms(const struct core *core) {
    struct collection collection = {core, NULL};
    registry_visit(OBJECT_ALARM, collect, &collection);
    struct alarm *alarm = collection.first;
    // The program may have destroyed everything that kept gRPC initialised, these alarms as well.
    bool alone = alarm != NULL && core_initialisations(core) == 0;
    if (alone)
        core->grpc.grpc_init();
    while (alarm != NULL) {
        struct alarm *next = alarm->next;
        alarm_end(alarm);
        object_unreference(&alarm->object);
        alarm = next;
    }
    if (alone)
        core->grpc.grpc_shutdown();
}

void cplusplus_end_alarms(void) {
    FOR_EACH_CORE(core) {
        if (core_is_protected(core))
            end_alarms(core);
    }
}

static const struct binding bindings[] = {
    {.function = "grpc_cq_begin_op",
     .wrapper = BINDING_ADDRESS(begin_operation),
     .real = BINDING_REAL(begin_operation)},
    {.function = "grpc_cq_end_op",
     .wrapper = BINDING_ADDRESS(end_operation),
     .real = BINDING_REAL(end_operation)},
    {.function = "grpc_cq_internal_ref",
     .wrapper = BINDING_ADDRESS(reference_queue),
     .real = BINDING_REAL(reference_queue)},
    {.function = "grpc_cq_internal_unref",
     .wrapper = BINDING_ADDRESS(unreference_queue),
     .real = BINDING_REAL(unreference_queue)},
};

const struct binding_table cplusplus_alarm_bindings = {bindings, ARRAY_LENGTH(bindings)};

static void dispose(struct object *object) {
    (void)object;
}

static const struct object_operations operations = {OBJECT_ALARM, NULL, NULL, dispose};
