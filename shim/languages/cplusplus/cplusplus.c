#include "languages/cplusplus/cplusplus.h"

#include "base/lock.h"
#include "base/log.h"
#include "base/record_memory.h"
#include "cores/scope.h"
#include "cores/state.h"
#include "languages/cplusplus/alarm.h"
#include "languages/cplusplus/allocator.h"
#include "languages/cplusplus/channel.h"
#include "languages/cplusplus/create_call.h"
#include "languages/cplusplus/engine.h"
#include "languages/cplusplus/functions.h"
#include "languages/cplusplus/server.h"
#include "languages/cplusplus/standard_function.h"
#include "languages/cplusplus/task.h"
#include "languages/cplusplus/thread.h"
#include "languages/cplusplus/timer.h"
#include "life/first_use.h"
#include "life/steps.h"
#include "loader/image.h"
#include "loader/image_list.h"
#include "loader/libc.h"
#include "objects/revival.h"
#include "operations/call.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#if GRPCFORKSHIM_HAS_CREATE_CALL
void create_call_before(struct create_call_arguments *arguments, const void *caller) {
    const struct core *core = grpc_enter(caller);
    arguments->real = cplusplus_functions_of(core)->create_call;
    arguments->core = core;
    arguments->queue_handle = arguments->queue;
    arguments->channel = object_translate(OBJECT_CHANNEL, arguments->channel);
    arguments->parent = call_as_parent(arguments->parent);
    arguments->queue = object_translate(OBJECT_COMPLETION_QUEUE, arguments->queue);
}

grpc_call *create_call_after(grpc_call *call, const grpc_completion_queue *queue, const void *of) {
    const struct core *core = of;
    return core_is_protected(core) ? call_record(core, call, queue) : call;
}

#endif

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
    if (libc_function(pthread_create)(&thread, NULL, run_task, copy) == 0) {
        libc_function(pthread_detach)(thread);
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

// Where a pool's Add is found, and in which image; known before a fork, for the child must not ask
// the loader, whose lock may be held by a thread that the child does not have. Only ever added to.
struct pool {
    struct pool *next;
    struct image image;
    void **add;
};
static _Atomic(struct pool *) pools;

static bool is_known(void *const *slot) {
    const struct pool *pool = atomic_load(&pools);
    while (pool != NULL && pool->add != slot)
        pool = pool->next;
    return pool != NULL;
}

static void add_pool(const struct image *image, void **slot) {
    if (is_known(slot))
        return;
    struct pool *pool = record_allocate(sizeof(*pool));
    if (pool == NULL) {
        RECORD_LOST("a thread pool of libgrpc++'s");
        return;
    }
    *pool = (struct pool){atomic_load(&pools), *image, slot};
    atomic_store(&pools, pool);
}

static bool find_pool(const struct image *image, void *context) {
    (void)context;
    void **table = image_symbol(image, "_ZTVN4grpc17DynamicThreadPoolE");
    void *add = table != NULL
                    ? image_symbol(image, "_ZN4grpc17DynamicThreadPool3AddERKSt8functionIFvvEE")
                    : NULL;
    for (size_t i = 2; add != NULL && i < VIRTUAL_TABLE_WORDS; i++) {
        if (table[i] == add)
            add_pool(image, &table[i]);
    }
    return false;
}

// include/grpc/impl/call.h: grpc_call_run_cq_cb and, since about 1.60,
// grpc_call_run_in_event_engine run a reaction where those of the call run. An inherited call's
// have no place any more; its replacement's do. The reaction is an absl::AnyInvocable, passed by
// address.
static void run_for_queue(const grpc_call *call, void *reaction) {
    const struct cplusplus_functions *real = cplusplus_functions_of(core_of(CALLER));
    real->run_for_queue(object_translate(OBJECT_CALL, call), reaction);
}

static void run_in_event_engine(const grpc_call *call, void *reaction) {
    const struct cplusplus_functions *real = cplusplus_functions_of(core_of(CALLER));
    real->run_in_event_engine(object_translate(OBJECT_CALL, call), reaction);
}

static const struct binding bindings[] = {
#if GRPCFORKSHIM_HAS_CREATE_CALL
    // Since some version before 1.83 libgrpc++ creates calls by
    // grpc_channel_create_call_with_arena_init(...), with the parameters of
    // grpc_channel_create_call to begin with.
    {.function = "grpc_channel_create_call",
     .wrapper = BINDING_ADDRESS(create_call_wrapper),
     .real = BINDING_REAL(create_call)},
#endif
    {.function = "grpc_call_run_cq_cb",
     .wrapper = BINDING_ADDRESS(run_for_queue),
     .real = BINDING_REAL(run_for_queue)},
    {.function = "grpc_call_run_in_event_engine",
     .wrapper = BINDING_ADDRESS(run_in_event_engine),
     .real = BINDING_REAL(run_in_event_engine)},
    {.mangled = "_ZN9grpc_core6Server28SetRegisteredMethodAllocatorEP21grpc_completion_queue",
     .wrapper = BINDING_ADDRESS(cplusplus_set_registered_allocator),
     .real = BINDING_REAL(set_registered_allocator)},
    {.mangled = "_ZN9grpc_core6Server23SetBatchMethodAllocatorEP21grpc_completion_queue",
     .wrapper = BINDING_ADDRESS(cplusplus_set_batch_allocator),
     .real = BINDING_REAL(set_batch_allocator)},
    {.mangled = "_ZN9grpc_core6ThreadC1EPKcPFvPvES3_PbRKNS0_7OptionsE",
     .wrapper = BINDING_ADDRESS(cplusplus_construct_thread),
     .real = BINDING_REAL(construct_thread)},
    {.mangled = "_ZN4grpc15CompletionQueue28ReleaseCallbackAlternativeCQE",
     .wrapper = BINDING_ADDRESS(cplusplus_release_callback_queue),
     .real = BINDING_REAL(release_callback_queue)},
};

static const struct binding_table own_bindings = {bindings, ARRAY_LENGTH(bindings)};
static const struct binding_table *const tables[] = {&own_bindings,
                                                     &cplusplus_alarm_bindings,
                                                     &cplusplus_timer_bindings,
                                                     &cplusplus_task_bindings,
                                                     &cplusplus_channel_bindings,
                                                     &cplusplus_engine_bindings};

static struct lock bind_lock =
    LOCK_INITIALIZER(LOCK_BINDING); // two threads must not unprotect one page

static unsigned long long seen; // how many images had been loaded

static void bind_all(void) {
    unsigned long long loads = image_loads();
    lock_acquire(&bind_lock);
    if (seen != loads) {
        seen = loads;
        bindings_apply(tables, ARRAY_LENGTH(tables));
        cplusplus_find_timer_errors();
        cplusplus_bind_tasks();
        cplusplus_bind_server();
        image_visit(find_pool, NULL);
    }
    lock_release(&bind_lock);
}

// What was loaded at fork is bound already. What a child loads waits until it may ask the loader.
static void bind_more(void) {
    if (image_list_is_locked())
        bind_all();
}

static void bind_found(void) {
    if (seen == 0)
        bind_all();
    else
        bind_more();
}

static void forked(void) {
    lock_reset_in_child(&bind_lock);
    cplusplus_keep_engine();
}

static void revived(void) {
    cplusplus_end_alarms();
    for (const struct pool *pool = atomic_load(&pools); pool != NULL; pool = pool->next) {
        if (image_is_loaded(&pool->image))
            image_patch_slot(&pool->image, pool->add, (void *)(uintptr_t)add_task);
    }
}

void cplusplus_start(void) {
    static const struct steps steps = {
        .found = bind_found, .object_made = bind_more, .forked = forked, .revived = revived};
    steps_add(&steps);
}
