#include "operations/server.h"

#include "base/generation.h"
#include "base/log.h"
#include "base/record_memory.h"
#include "objects/revival.h"
#include "operations/completion_queue.h"
#include "operations/thread.h"
#include "report/counters.h"

#include <stdlib.h>

// Only ever added to, at the front: a child may see the list at any instant.
struct queue_of_server {
    const grpc_completion_queue *queue;
    struct queue_of_server *next;
};

struct server {
    struct object object;
    _Atomic(struct queue_of_server *) queues;
    _Atomic int shutdowns; // under way
};

static const struct object_operations operations;

static struct server *find(const grpc_server *handle) {
    return (struct server *)registry_find(OBJECT_SERVER, handle, 0);
}

grpc_server *server_record(const struct core *core, grpc_server *handle) {
    if (handle == NULL)
        return NULL;
    struct server *server = record_allocate_zeroed(sizeof(*server));
    if (server == NULL) {
        RECORD_LOST("a server");
        return handle;
    }
    object_initialise(&server->object, &operations, core, handle);
    object_record(&server->object);
    counters_server_made();
    return handle;
}

void server_note_queue(const grpc_server *handle, const grpc_completion_queue *queue) {
    struct server *server = find(handle);
    if (server == NULL)
        return;
    struct queue_of_server *entry = record_allocate(sizeof(*entry));
    if (entry == NULL) {
        RECORD_LOST("a server's queue");
        return;
    }
    entry->queue = queue;
    entry->next = atomic_load(&server->queues);
    while (!atomic_compare_exchange_weak(&server->queues, &entry->next, entry)) {
    }
}

void server_say_not_serving(void) {
    static bool said;
    log_once(said, LOG_INFO,
             "this process waits for a server that was started before the fork, it serves in the "
             "process that started it alone, the wait and requests for calls end at once here");
}

bool server_is_inherited(const grpc_server *handle) {
    if (likely(current_generation() == 0))
        return false;
    const struct server *server = find(handle);
    return server != NULL && object_is_inherited(&server->object);
}

void server_note_shutdown(const grpc_server *handle, bool ends) {
    struct server *server = find(handle);
    if (server != NULL)
        atomic_fetch_add(&server->shutdowns, ends ? -1 : 1);
}

bool server_can_end_in_child(const grpc_server *handle) {
    const struct server *server = find(handle);
    if (server == NULL || atomic_load(&server->shutdowns) > 0)
        return false;
    for (const struct queue_of_server *entry = atomic_load(&server->queues); entry != NULL;
         entry = entry->next) {
        // Those of a callback queue are served by threads of gRPC's core.
        if (completion_queue_type(entry->queue) == GRPC_CQ_CALLBACK ||
            thread_polled_before(entry->queue))
            return false;
    }
    return true;
}

static void dispose(struct object *object) {
    counters_server_ended(object_is_inherited(object));
    struct queue_of_server *entry = atomic_load(&((struct server *)object)->queues);
    while (entry != NULL) {
        struct queue_of_server *next = entry->next;
        record_free(entry);
        entry = next;
    }
}

static const struct object_operations operations = {OBJECT_SERVER, NULL, NULL, dispose};
