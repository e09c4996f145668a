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
    struct image core;
    if (!is_function(import->name, "grpc_channel_create_call") ||
        *import->slot == (void *)(uintptr_t)create_call_wrapper ||
        !image_defining(import->name, &core))
        return;
    // Not what the slot holds: before its first call that is the way to the loader, which would put
    // the real address into the slot.
    create_call_real = image_symbol(&core, import->name);
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

#else
static bool bind_in(const struct image *image, void *context) {
    (void)image;
    (void)context;
    return true;
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

// Where the pools' Add is found, and in which image; known before a fork, for the child must not
// ask the loader, whose lock may be held by a thread that the child does not have.
static struct image pool_image;
static void **_Atomic pool_add;

static bool find_pool(const struct image *image, void *context) {
    (void)context;
    void **table = image_symbol(image, "_ZTVN4grpc17DynamicThreadPoolE");
    void *add = image_symbol(image, "_ZN4grpc17DynamicThreadPool3AddERKSt8functionIFvvEE");
    for (size_t i = 2; table != NULL && add != NULL && i < VIRTUAL_TABLE_WORDS; i++) {
        if (table[i] == add) {
            pool_image = *image;
            atomic_store(&pool_add, &table[i]);
            return true;
        }
    }
    return false;
}

static struct lock bind_lock = LOCK_INITIALIZER; // two threads must not unprotect one page

static void bind(void) {
    static unsigned long long seen;
    unsigned long long loads = image_loads();
    lock_acquire(&bind_lock);
    if (seen != loads) {
        seen = loads;
        image_visit(bind_in, NULL);
        if (atomic_load(&pool_add) == NULL)
            image_visit(find_pool, NULL);
    }
    lock_release(&bind_lock);
}

static void revive(void) {
    lock_reset_in_child(&bind_lock);
    void **slot = atomic_load(&pool_add);
    if (slot != NULL)
        image_patch_slot(&pool_image, slot, (void *)(uintptr_t)add_task);
}

void cplusplus_start(void) {
    static const struct process_steps steps = {
        .attached = bind, .channel_made = bind, .revived = revive};
    process_add_steps(&steps);
}
