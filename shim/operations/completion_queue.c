#include "operations/completion_queue.h"

#include "base/generation.h"
#include "base/lock.h"
#include "base/record_memory.h"
#include "objects/revival.h"
#include "operations/delivery.h"
#include "operations/pending.h"
#include "operations/thread.h"

struct completion_queue {
    struct object object;
    grpc_completion_queue_attributes attributes;
    _Atomic bool shut_down;
    // What came through a fork and was not given out yet. Only in children.
    struct lock lock;
    _Atomic(struct pending *) failed;
};

static const struct object_operations operations;

HOT static struct completion_queue *find(const grpc_completion_queue *handle) {
    return (struct completion_queue *)registry_find(OBJECT_COMPLETION_QUEUE, handle, 0);
}

HOT grpc_completion_queue *
completion_queue_record(const struct core *core, grpc_completion_queue *handle,
                        const grpc_completion_queue_attributes *attributes) {
    if (handle == NULL)
        return NULL;
    struct completion_queue *queue = record_allocate(sizeof(*queue));
    if (unlikely(queue == NULL)) {
        RECORD_LOST("a completion queue");
        return handle;
    }
    *queue = (struct completion_queue){.failed = NULL};
    object_initialise(&queue->object, &operations, core, handle);
    queue->attributes = *attributes;
    queue->lock = (struct lock)LOCK_INITIALIZER(LOCK_QUEUE);
    object_record(&queue->object);
    return handle;
}

HOT grpc_cq_completion_type completion_queue_type(const grpc_completion_queue *handle) {
    const struct completion_queue *queue = find(handle);
    return queue != NULL ? queue->attributes.cq_completion_type : COMPLETION_QUEUE_UNKNOWN;
}

bool completion_queue_fail(const grpc_completion_queue *handle, struct pending *pending) {
    // The program may be giving it back.
    struct object *object = registry_acquire(OBJECT_COMPLETION_QUEUE, handle, 0);
    struct completion_queue *queue = (struct completion_queue *)object;
    if (queue == NULL)
        return false;
    lock_acquire(&queue->lock);
    pending_append(&queue->failed, pending);
    lock_release(&queue->lock);
    object_unreference(object);
    return true;
}

static void reset_lock(struct object *object, void *context) {
    (void)context;
    lock_reset_in_child(&((struct completion_queue *)object)->lock);
    object_unreference(object);
}

void completion_queue_reset_locks_in_child(void) {
    registry_visit(OBJECT_COMPLETION_QUEUE, reset_lock, NULL);
}

HOT void completion_queue_record_shutdown(const grpc_completion_queue *handle) {
    struct completion_queue *queue = find(handle);
    thread_note_shutdown(handle);
    if (queue != NULL)
        atomic_store(&queue->shut_down, true);
}

bool completion_queue_is_shut_down(const grpc_completion_queue *handle) {
    const struct completion_queue *queue = find(handle);
    return queue != NULL && atomic_load(&queue->shut_down);
}

// Gives out one of the failed operations, with `only` that of this tag.
static bool take_failed(struct completion_queue *queue, const void *only, bool any,
                        grpc_event *event) {
    lock_acquire(&queue->lock);
    struct pending *pending = pending_take(&queue->failed, only, any);
    lock_release(&queue->lock);
    if (pending == NULL)
        return false;
    *event = pending_fail(pending);
    return true;
}

// A thread of the program's own gets its tags even while the process exits: a program that drains a
// queue then waits for each of them. A thread of libgrpc++'s would call the program back.
static bool may_give_out(void) {
    return !thread_is_of_library() || delivery_begin();
}

// Read without the lock: nearly always there is none.
static bool has_failed(const struct completion_queue *queue) {
    return queue != NULL && atomic_load(&queue->failed) != NULL;
}

static bool take_next_failed(struct completion_queue *queue, grpc_event *event) {
    if (!has_failed(queue) || !may_give_out())
        return false;
    bool taken = take_failed(queue, NULL, true, event);
    if (!taken)
        delivery_end();
    return taken;
}

HOT grpc_event completion_queue_next(const struct core *core, grpc_completion_queue *handle,
                                     gpr_timespec deadline, void *reserved) {
    grpc_event event;
    do {
        thread_polls(handle);
        if (current_generation() > 0 && take_next_failed(find(handle), &event))
            return event;
        grpc_completion_queue *real = object_translate(OBJECT_COMPLETION_QUEUE, handle);
        event = core->grpc.grpc_completion_queue_next(real, deadline, reserved);
    } while (event.type == GRPC_OP_COMPLETE && pending_complete(handle, &event) && !may_give_out());
    return event;
}

static bool take_plucked_failed(struct completion_queue *queue, const void *tag,
                                grpc_event *event) {
    return has_failed(queue) && take_failed(queue, tag, false, event);
}

HOT grpc_event completion_queue_pluck(const struct core *core, grpc_completion_queue *handle,
                                      void *tag, gpr_timespec deadline, void *reserved) {
    grpc_event event;
    if (current_generation() > 0 && take_plucked_failed(find(handle), tag, &event))
        return event;
    grpc_completion_queue *real = object_translate(OBJECT_COMPLETION_QUEUE, handle);
    event = core->grpc.grpc_completion_queue_pluck(real, tag, deadline, reserved);
    if (event.type == GRPC_OP_COMPLETE)
        pending_complete(handle, &event);
    return event;
}

static void *build(struct object *object) {
    struct completion_queue *queue = (struct completion_queue *)object;
    const struct core *core = object_core(object);
    const grpc_completion_queue_factory *factory =
        core->grpc.grpc_completion_queue_factory_lookup(&queue->attributes);
    grpc_completion_queue *made =
        core->grpc.grpc_completion_queue_create(factory, &queue->attributes, NULL);
    if (atomic_load(&queue->shut_down))
        core->grpc.grpc_completion_queue_shutdown(made);
    thread_restart(queue->object.handle);
    return made;
}

static void destroy(const struct object *object, void *real) {
    const struct core *core = object_core(object);
    core->grpc.grpc_completion_queue_shutdown(real);
    core->grpc.grpc_completion_queue_destroy(real);
}

HOT static void dispose(struct object *object) {
    struct completion_queue *queue = (struct completion_queue *)object;
    struct pending *pending;
    while ((pending = pending_take(&queue->failed, NULL, true)) != NULL)
        pending_drop(pending);
}

static const struct object_operations operations = {OBJECT_COMPLETION_QUEUE, build, destroy,
                                                    dispose};
