#include "runtime/cplusplus.h"

#include "base/lock.h"
#include "base/log.h"
#include "core/call.h"
#include "core/image.h"
#include "core/process.h"
#include "core/revival.h"
#include "core/snapshot.h"
#include "runtime/create_call.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// Whether a mangled name is that of a plain function whose name begins like this: "_Z", the length,
// the name.
static bool is_function(const char *mangled, const char *beginning) {
    if (strncmp(mangled, "_Z", 2) != 0 || !isdigit((unsigned char)mangled[2]))
        return false;
    mangled += 2;
    while (isdigit((unsigned char)*mangled))
        mangled++;
    return strncmp(mangled, beginning, strlen(beginning)) == 0;
}

#if GRPCFORKSHIM_HAS_CREATE_CALL
// Since some version before 1.83 libgrpc++ creates calls by
// grpc_channel_create_call_with_arena_init(...), with the parameters of grpc_channel_create_call to
// begin with.
static void bind_create_call(const struct image *image, const struct import *import,
                             void *context) {
    bool *bound = context;
    if (!is_function(import->name, "grpc_channel_create_call") ||
        *import->slot == (void *)(uintptr_t)create_call_wrapper)
        return;
    create_call_real = *import->slot;
    *bound |= image_patch_slot(image, import->slot, (void *)(uintptr_t)create_call_wrapper);
}

static bool bind_in(const struct image *image, void *context) {
    bool bound = false;
    (void)context;
    if (snapshot_covers((const void *)image->start))
        return false; // the core calls itself with its own pointers
    image_visit_imports(image, bind_create_call, &bound);
    if (bound)
        log_write(LOG_DEBUG, "bound how %s creates calls", image->path);
    return false;
}

void create_call_before(struct create_call_arguments *arguments, const void *caller) {
    process_enter(caller);
    arguments->queue_handle = arguments->queue;
    arguments->channel = object_translate(OBJECT_CHANNEL, arguments->channel);
    arguments->parent = call_as_parent(arguments->parent);
    arguments->queue = object_translate(OBJECT_COMPLETION_QUEUE, arguments->queue);
}

grpc_call *create_call_after(grpc_call *call, const grpc_completion_queue *queue) {
    return process_is_protected() ? call_record(call, queue) : call;
}

void cplusplus_bind(void) {
    static _Atomic unsigned long long seen;
    unsigned long long loads = image_loads();
    if (atomic_exchange(&seen, loads) != loads)
        image_visit(bind_in, NULL);
}
#else
void cplusplus_bind(void) {
}
#endif

// libstdc++'s std::function<void()>, whose layout is part of its ABI since GCC 4
// (bits/std_function.h): storage, manager, invoker.
struct standard_function {
    void *storage[2];
    int (*manage)(void **to, void *const *from, int operation);
    void (*invoke)(void *const *storage);
};
enum { MANAGE_CLONE = 2, MANAGE_DESTROY = 3 };

static void *run_task(void *context) {
    struct standard_function *task = context;
    task->invoke(task->storage);
    task->manage(task->storage, task->storage, MANAGE_DESTROY);
    free(task);
    return NULL;
}

// grpc::DynamicThreadPool::Add(const std::function<void()>&). Metadata plugins, unless they say
// that they don't block, run in such a pool, one for each plugin. The threads or the event engine
// that an inherited pool counts on stayed in the parent; a thread for each task needs neither.
static void add_task(void *pool, const struct standard_function *task) {
    (void)pool;
    struct standard_function *copy = calloc(1, sizeof(*copy));
    pthread_t thread;
    if (copy == NULL || task->manage == NULL)
        goto failed;
    *copy = *task;
    task->manage(copy->storage, task->storage, MANAGE_CLONE);
    if (pthread_create(&thread, NULL, run_task, copy) == 0) {
        pthread_detach(thread);
        return;
    }
    copy->manage(copy->storage, copy->storage, MANAGE_DESTROY);
failed:
    free(copy);
    log_write(LOG_ERROR, "can't start a thread for a task of libgrpc++'s, running it at once");
    if (task->invoke != NULL)
        task->invoke(task->storage);
}

// The virtual table: offset, type, destructors, Add.
#define VIRTUAL_TABLE_WORDS 8

static bool replace_pool(const struct image *image, void *context) {
    (void)context;
    void **table = image_symbol(image, "_ZTVN4grpc17DynamicThreadPoolE");
    void *add = image_symbol(image, "_ZN4grpc17DynamicThreadPool3AddERKSt8functionIFvvEE");
    for (size_t i = 2; table != NULL && add != NULL && i < VIRTUAL_TABLE_WORDS; i++) {
        if (table[i] == add)
            return image_patch_slot(image, &table[i], (void *)(uintptr_t)add_task);
    }
    return false;
}

static void revive(void) {
    image_visit(replace_pool, NULL);
}

void cplusplus_start(void) {
    process_add_revival_step(revive);
}
