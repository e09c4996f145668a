#include "operations/pending.h"

#include "base/log.h"
#include "base/record_memory.h"
#include "loader/libc.h"
#include "objects/registry.h"
#include "objects/revival.h"
#include "operations/call.h"
#include "operations/completion_queue.h"
#include "operations/delivery.h"
#include "operations/server.h"
#include "operations/thread.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

// Where the program wants the results of a batch.
struct outputs {
    grpc_metadata_array *initial_metadata;
    grpc_byte_buffer **message;
    grpc_metadata_array *trailing_metadata;
    grpc_status_code *status;
    grpc_slice *status_details;
    const char **error_string;
    int *cancelled;
    grpc_call **made; // the call that a server is asked for
};

// The head's handle is the tag that gRPC has, its scope the program's queue.
struct pending {
    struct object object;
    void *tag; // the program's
    const grpc_call *call;
    struct outputs outputs;
    int success; // where it is not gRPC that says
    const grpc_completion_queue *queue_of_made;
    struct pending *next; // in a queue's list
    // A batch of ours that carries the tag of a failed operation through gRPC's queue; see
    // pending_start_failed.
    grpc_call *carrier;
    bool called_back;
    // On a callback queue: what gRPC has for a tag. The program's tag is one as well.
    grpc_completion_queue_functor functor[];
};

static const struct object_operations pending_operations;

HOT static void note_output(struct outputs *outputs, const grpc_op *operation) {
    switch (operation->op) {
    case GRPC_OP_RECV_INITIAL_METADATA:
        outputs->initial_metadata = operation->data.recv_initial_metadata.recv_initial_metadata;
        break;
    case GRPC_OP_RECV_MESSAGE:
        outputs->message = operation->data.recv_message.recv_message;
        break;
    case GRPC_OP_RECV_STATUS_ON_CLIENT:
        outputs->trailing_metadata = operation->data.recv_status_on_client.trailing_metadata;
        outputs->status = operation->data.recv_status_on_client.status;
        outputs->status_details = operation->data.recv_status_on_client.status_details;
        outputs->error_string = operation->data.recv_status_on_client.error_string;
        break;
    case GRPC_OP_RECV_CLOSE_ON_SERVER:
        outputs->cancelled = operation->data.recv_close_on_server.cancelled;
        break;
    default:
        break; // sends have no output
    }
}

static void set_outputs(const struct pending *pending) {
    const struct outputs *outputs = &pending->outputs;
    if (outputs->initial_metadata != NULL)
        outputs->initial_metadata->count = 0;
    if (outputs->message != NULL)
        *outputs->message = NULL;
    if (outputs->trailing_metadata != NULL)
        outputs->trailing_metadata->count = 0;
    if (outputs->status != NULL)
        *outputs->status = GRPC_STATUS_CANCELLED;
    if (outputs->status_details != NULL)
        *outputs->status_details =
            object_core(&pending->object)->grpc.grpc_slice_from_copied_string(CANCELLED_BY_FORK);
    if (outputs->error_string != NULL)
        *outputs->error_string = NULL;
    if (outputs->cancelled != NULL)
        *outputs->cancelled = 1;
    if (outputs->made != NULL)
        *outputs->made = NULL;
}

// A batch that receives the status succeeds even then: that is how gRPC reports every end of a call
// (include/grpc/impl/codegen/grpc_types.h on GRPC_OP_RECV_STATUS_ON_CLIENT: "This operation always
// succeeds"), and programs do not look at the status of a batch that did not.
HOT static int success_of(const struct outputs *outputs) {
    return outputs->status != NULL || outputs->cancelled != NULL;
}

// The operation is complete and out of the registry. True where it is one that a fork ended.
HOT static bool finish(struct pending *pending, int *success) {
    bool carried = pending->carrier != NULL;
    if (carried) {
        *success = pending->success;
        object_core(&pending->object)->grpc.grpc_call_unref(pending->carrier);
    }
    if (pending->outputs.made != NULL && *success)
        call_record(object_core(&pending->object), *pending->outputs.made, pending->queue_of_made);
    object_unreference(&pending->object);
    return carried;
}

// gRPC calls this when the operation is complete; pending_complete's part for a callback queue.
static void run_functor(grpc_completion_queue_functor *functor, int success) {
    struct pending *pending =
        (struct pending *)((char *)functor - offsetof(struct pending, functor));
    TAKEN_UP(pending);
    grpc_completion_queue_functor *programs = pending->tag;
    registry_remove_object(&pending->object);
    bool carried = finish(pending, &success);
    if (carried && !delivery_begin())
        return;
    programs->functor_run(programs, success);
    if (carried)
        delivery_end();
}

HOT static struct pending *make(const struct core *core, const grpc_completion_queue *queue,
                                const grpc_call *call, const grpc_op *operations, size_t count,
                                void *tag, grpc_cq_completion_type type) {
    // Not calloc: glibc's takes the slow way past the thread's cache, once for each batch.
    bool called_back = type == GRPC_CQ_CALLBACK;
    struct pending *pending =
        record_allocate(sizeof(*pending) + (called_back ? sizeof(pending->functor[0]) : 0));
    if (unlikely(pending == NULL)) {
        RECORD_LOST("an operation");
        return NULL;
    }
    *pending = (struct pending){.next = NULL};
    object_initialise(&pending->object, &pending_operations, core, tag);
    pending->object.scope = (uintptr_t)queue;
    pending->tag = tag;
    pending->call = call;
    for (size_t i = 0; i < count; i++)
        note_output(&pending->outputs, &operations[i]);
    pending->success = success_of(&pending->outputs);
    pending->called_back = called_back;
    if (called_back) {
        const grpc_completion_queue_functor *functor = tag;
        pending->functor[0] = (grpc_completion_queue_functor){.functor_run = run_functor,
                                                              .inlineable = functor->inlineable};
        pending->object.handle = pending->functor;
    }
    return pending;
}

// Adds it under a tag that tells it apart, where that can be done; `*tag` becomes that tag.
//
// Nearly always the tag is new in its queue. Where it is not, the other operation's end may take
// this record for its own, at any time from here on: nothing of it is touched after that.
HOT static bool insert(struct pending *pending, const grpc_completion_queue *queue,
                       grpc_cq_completion_type type, void **tag) {
    *tag = pending->object.handle;
    HANDED_ON(pending);
    if (likely(registry_insert_new(&pending->object)))
        return true;
    struct object *other = registry_acquire(OBJECT_PENDING, pending->tag, (uintptr_t)queue);
    if (type == GRPC_CQ_NEXT && other != NULL &&
        ((const struct pending *)other)->call != pending->call)
        pending->object.handle = pending;
    object_unreference(other);
    *tag = pending->object.handle;
    HANDED_ON(pending);
    return registry_insert(&pending->object);
}

HOT static struct pending *begin(struct pending *pending, const grpc_completion_queue *queue,
                                 grpc_cq_completion_type type, void **tag) {
    void *programs_tag = *tag;
    if (insert(pending, queue, type, tag))
        return pending;
    *tag = programs_tag;
    record_free(pending);
    return NULL;
}

HOT struct pending *pending_begin(const struct core *core, const grpc_completion_queue *queue,
                                  grpc_cq_completion_type type, const grpc_call *call,
                                  const grpc_op *operations, size_t count, void **tag) {
    if (type == COMPLETION_QUEUE_UNKNOWN)
        return NULL;
    struct pending *pending = make(core, queue, call, operations, count, *tag, type);
    return pending != NULL ? begin(pending, queue, type, tag) : NULL;
}

struct pending *pending_begin_without_call(const struct core *core,
                                           const grpc_completion_queue *queue, void **tag) {
    return pending_begin(core, queue, completion_queue_type(queue), NULL, NULL, 0, tag);
}

struct pending *pending_begin_request(const struct core *core, const grpc_completion_queue *queue,
                                      grpc_call **made, const grpc_completion_queue *queue_of_call,
                                      void **tag) {
    grpc_cq_completion_type type = completion_queue_type(queue);
    if (type == COMPLETION_QUEUE_UNKNOWN)
        return NULL;
    struct pending *pending = make(core, queue, NULL, NULL, 0, *tag, type);
    if (pending == NULL)
        return NULL;
    pending->outputs.made = made;
    pending->queue_of_made = queue_of_call;
    return begin(pending, queue, type, tag);
}

void pending_cancel(struct pending *pending) {
    if (pending == NULL)
        return;
    registry_remove_object(&pending->object);
    object_unreference(&pending->object);
}

HOT bool pending_complete(const grpc_completion_queue *queue, grpc_event *event) {
    struct pending *pending =
        (struct pending *)registry_remove(OBJECT_PENDING, event->tag, (uintptr_t)queue);
    if (pending == NULL)
        return false;
    TAKEN_UP(pending);
    event->tag = pending->tag;
    return finish(pending, &event->success);
}

// Calls the program's functors, one after the other, in a thread that is none of gRPC's.
static void *call_back(void *context) {
    _Atomic(struct pending *) list = context;
    struct pending *pending;
    while (delivery_begin() && (pending = pending_take(&list, NULL, true)) != NULL) {
        grpc_event event = pending_fail(pending);
        grpc_completion_queue_functor *functor = event.tag;
        functor->functor_run(functor, event.success);
    }
    delivery_end();
    return NULL;
}

static void start_calling_back(struct pending *list) {
    pthread_t thread;
    int error = list != NULL ? libc_function(pthread_create)(&thread, NULL, call_back, list) : 0;
    if (error != 0)
        log_write(LOG_ERROR, "can't start a thread, %s, callbacks of inherited calls won't come",
                  strerror(error));
    else if (list != NULL)
        libc_function(pthread_detach)(thread);
}

struct inheritance {
    unsigned count;
    _Atomic(struct pending *) called_back;
};

// The record, which is out of the registry, passes to its queue or to the list.
static void take_over(struct pending *pending, struct inheritance *inheritance) {
    const grpc_completion_queue *queue = (const grpc_completion_queue *)pending->object.scope;
    bool is_of_call = pending->call != NULL;
    pending->carrier = NULL;
    inheritance->count++;
    if (pending->called_back)
        pending_append(&inheritance->called_back, pending);
    else if (!completion_queue_fail(queue, pending))
        object_unreference(&pending->object);
    else if (is_of_call)
        thread_restart(queue); // of a server's, which has requests there, nothing is run again
}

static void inherit(struct object *object, void *context) {
    if (object_is_inherited(object) && registry_remove_object(object))
        take_over((struct pending *)object, context);
    object_unreference(object);
}

void pending_inherit(void) {
    struct inheritance inheritance = {.count = 0};
    registry_visit(OBJECT_PENDING, inherit, &inheritance);
    start_calling_back(atomic_load(&inheritance.called_back));
    log_write(LOG_DEBUG, "%u operations were pending at fork", inheritance.count);
}

void pending_drop(struct pending *pending) {
    object_unreference(&pending->object);
}

grpc_event pending_fail(struct pending *pending) {
    grpc_event event = {
        .type = GRPC_OP_COMPLETE,
        .success = pending->success,
        .tag = pending->tag,
    };
    if (pending->outputs.made != NULL)
        server_say_not_serving(); // for whose calls it is
    set_outputs(pending);
    object_unreference(&pending->object);
    return event;
}

// Wakes whoever waits in gRPC's queue, in its turn: a batch on a channel that is lame, which fails
// at once, is completed in the queue, and pending_complete puts the right success into its event.
static bool carry(struct pending *pending, grpc_completion_queue *queue) {
    grpc_op operation = {.op = GRPC_OP_SEND_INITIAL_METADATA};
    const struct core *core = object_core(&pending->object);
    grpc_call *carrier = call_make_lame(core, object_translate(OBJECT_COMPLETION_QUEUE, queue));
    void *tag;
    pending->carrier = carrier;
    if (carrier == NULL || !insert(pending, queue, completion_queue_type(queue), &tag))
        return false;
    grpc_call_error error = core->grpc.grpc_call_start_batch(carrier, &operation, 1, tag, NULL);
    if (error != GRPC_CALL_OK)
        registry_remove_object(&pending->object);
    return error == GRPC_CALL_OK;
}

// Gives an operation that is over to its queue.
static void start(struct pending *pending, grpc_completion_queue *queue) {
    // Nobody can wait for the tag in a queue that is gone.
    if (registry_find(OBJECT_COMPLETION_QUEUE, queue, 0) == NULL) {
        pending_fail(pending);
        return;
    }
    // gRPC's queue takes nothing any more once it is shut down, but then nobody waits in it either.
    if (completion_queue_is_shut_down(queue)) {
        if (pending->called_back) {
            start_calling_back(pending);
            return;
        }
        if (!completion_queue_fail(queue, pending))
            object_unreference(&pending->object);
        return;
    }
    set_outputs(pending);
    if (carry(pending, queue))
        return;
    log_write(LOG_ERROR, "can't complete an operation of an inherited object, its tag is lost");
    if (pending->carrier != NULL)
        object_core(&pending->object)->grpc.grpc_call_unref(pending->carrier);
    object_unreference(&pending->object);
}

void pending_start_failed(const struct core *core, grpc_completion_queue *queue,
                          const grpc_call *call, const grpc_op *operations, size_t count,
                          void *tag) {
    struct pending *pending =
        make(core, queue, call, operations, count, tag, completion_queue_type(queue));
    if (pending != NULL)
        start(pending, queue);
}

void pending_start_finished(const struct core *core, grpc_completion_queue *queue, int success,
                            void *tag) {
    struct pending *pending = make(core, queue, NULL, NULL, 0, tag, completion_queue_type(queue));
    if (pending == NULL)
        return;
    pending->success = success;
    start(pending, queue);
}

void pending_append(_Atomic(struct pending *) *list, struct pending *pending) {
    pending->next = NULL;
    struct pending *last = atomic_load(list);
    if (last == NULL) {
        atomic_store(list, pending);
        return;
    }
    while (last->next != NULL)
        last = last->next;
    last->next = pending;
}

struct pending *pending_take(_Atomic(struct pending *) *list, const void *tag, bool any) {
    struct pending *previous = NULL;
    struct pending *pending = atomic_load(list);
    while (pending != NULL && !any && pending->tag != tag) {
        previous = pending;
        pending = pending->next;
    }
    if (pending == NULL)
        return NULL;
    if (previous == NULL)
        atomic_store(list, pending->next);
    else
        previous->next = pending->next;
    return pending;
}

HOT static void dispose(struct object *object) {
    (void)object;
}

static const struct object_operations pending_operations = {OBJECT_PENDING, NULL, NULL, dispose};
