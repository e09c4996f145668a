#include "fake_grpc.h"

#include "one_core.h"

#include <string.h>

struct fake_grpc fake_grpc;

static char objects[1000]; // whose addresses are handed out

static void *make_object(void) {
    static size_t made;
    return &objects[made++ % sizeof(objects)];
}

const char *fake_grpc_text(const grpc_slice *slice) {
    return (const char *)slice->data.refcounted.bytes;
}

static grpc_slice slice_from_copied_string(const char *source) {
    grpc_slice slice = {0};
    slice.data.refcounted.length = strlen(source);
    slice.data.refcounted.bytes = (uint8_t *)(uintptr_t)source;
    return slice;
}

static grpc_event take_event(void) {
    grpc_event event = {.type = GRPC_QUEUE_TIMEOUT};
    if (fake_grpc.event_count == 0)
        return event;
    event = fake_grpc.events[0];
    memmove(fake_grpc.events, fake_grpc.events + 1, --fake_grpc.event_count * sizeof(event));
    return event;
}

static grpc_event completion_queue_next(grpc_completion_queue *queue, gpr_timespec deadline,
                                        void *reserved) {
    (void)deadline;
    (void)reserved;
    fake_grpc.queue_asked = queue;
    return take_event();
}

static grpc_event completion_queue_pluck(grpc_completion_queue *queue, void *tag,
                                         gpr_timespec deadline, void *reserved) {
    (void)tag;
    return completion_queue_next(queue, deadline, reserved);
}

static const grpc_completion_queue_factory *
factory_lookup(const grpc_completion_queue_attributes *attributes) {
    (void)attributes;
    return make_object();
}

static grpc_completion_queue *
completion_queue_create(const grpc_completion_queue_factory *factory,
                        const grpc_completion_queue_attributes *attributes, void *reserved) {
    (void)factory;
    (void)attributes;
    (void)reserved;
    fake_grpc.queues_made++;
    return make_object();
}

static void completion_queue_shutdown(grpc_completion_queue *queue) {
    (void)queue;
}

static grpc_channel *lame_client_channel_create(const char *target, grpc_status_code status,
                                                const char *message) {
    (void)target;
    (void)status;
    (void)message;
    fake_grpc.channels_made++;
    return make_object();
}

static void channel_destroy(grpc_channel *channel) {
    (void)channel;
    fake_grpc.channels_destroyed++;
}

static grpc_call *channel_create_call(grpc_channel *channel, grpc_call *parent, uint32_t mask,
                                      grpc_completion_queue *queue, grpc_slice method,
                                      const grpc_slice *host, gpr_timespec deadline,
                                      void *reserved) {
    (void)channel;
    (void)parent;
    (void)mask;
    (void)method;
    (void)host;
    (void)deadline;
    (void)reserved;
    fake_grpc.calls_made++;
    fake_grpc.queue_of_call = queue;
    return make_object();
}

static void call_unref(grpc_call *call) {
    (void)call;
    fake_grpc.calls_released++;
}

static grpc_call_error call_start_batch(grpc_call *call, const grpc_op *operations, size_t count,
                                        void *tag, void *reserved) {
    (void)call;
    (void)operations;
    (void)count;
    (void)reserved;
    fake_grpc.batches++;
    if (fake_grpc.start_batch_returns == GRPC_CALL_OK)
        fake_grpc.events[fake_grpc.event_count++] =
            (grpc_event){.type = GRPC_OP_COMPLETE, .success = 0, .tag = tag};
    return fake_grpc.start_batch_returns;
}

void fake_grpc_bind(void) {
    core->grpc.grpc_slice_from_copied_string = slice_from_copied_string;
    core->grpc.grpc_completion_queue_next = completion_queue_next;
    core->grpc.grpc_completion_queue_pluck = completion_queue_pluck;
    core->grpc.grpc_completion_queue_factory_lookup = factory_lookup;
    core->grpc.grpc_completion_queue_create = completion_queue_create;
    core->grpc.grpc_completion_queue_shutdown = completion_queue_shutdown;
    core->grpc.grpc_lame_client_channel_create = lame_client_channel_create;
    core->grpc.grpc_channel_destroy = channel_destroy;
    core->grpc.grpc_channel_create_call = channel_create_call;
    core->grpc.grpc_call_unref = call_unref;
    core->grpc.grpc_call_start_batch = call_start_batch;
}
