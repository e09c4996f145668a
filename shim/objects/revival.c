#include "objects/revival.h"

#include "base/generation.h"
#include "base/log.h"
#include "base/record_memory.h"
#include "cores/state.h"

#include <pthread.h>
#include <stdlib.h>

// One replacement is built at a time. A build needs other records' replacements, and gRPC may call
// the program back from within: the lock is recursive.
static pthread_mutex_t building = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

void revival_reset_locks_in_child(void) {
    building = (pthread_mutex_t)PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
}

static void *current(struct object *object) {
    if (atomic_load_explicit(&object->generation, memory_order_acquire) != current_generation())
        return NULL;
    return atomic_load_explicit(&object->real, memory_order_relaxed);
}

static void *real_of(struct object *object) {
    void *real = current(object);
    if (likely(real != NULL))
        return real;
    if (!core_is_protected(object_core(object)))
        return object->handle;
    pthread_mutex_lock(&building);
    real = current(object);
    if (real == NULL) {
        real = object_operations(object)->build(object);
        log_write(LOG_DEBUG, "rebuilt %p of kind %d as %p", object->handle, (int)object->kind,
                  real);
        atomic_store_explicit(&object->real, real, memory_order_relaxed);
        atomic_store_explicit(&object->generation, current_generation(), memory_order_release);
    }
    pthread_mutex_unlock(&building);
    return real;
}

void *revival_translate(enum object_kind kind, const void *handle) {
    struct object *object = registry_acquire(kind, handle, 0);
    if (object == NULL)
        return (void *)handle;
    void *real = real_of(object);
    object_unreference(object);
    return real;
}

void *object_borrow(struct object *object, bool *temporary) {
    *temporary = false;
    if (object == NULL)
        return NULL;
    if (atomic_load(&object->handles) > 0)
        return real_of(object);
    *temporary = true;
    return object_operations(object)->build(object);
}

void *object_build(struct object *object) {
    return object_operations(object)->build(object);
}

void object_return(struct object *object, void *real, bool temporary) {
    if (temporary && real != NULL)
        object_operations(object)->destroy(object, real);
}

HOT void object_record(struct object *object) {
    struct object *old;
    if (!registry_replace(object, &old))
        object_unreference(object);
    object_unreference(old);
}

HOT void object_unreference(struct object *object) {
    if (object == NULL || atomic_fetch_sub(&object->references, 1) != 1)
        return;
    object_operations(object)->dispose(object);
    record_free(object);
}

void *object_add_handle(enum object_kind kind, const void *handle) {
    struct handle_count count = registry_add_handle(kind, handle);
    if (!count.found)
        return grpc_is_inherited() ? NULL : (void *)handle;
    return count.inherited ? NULL : (void *)handle;
}

HOT void *object_release_handle(enum object_kind kind, const void *handle) {
    struct handle_count count = registry_drop_handle(kind, handle);
    if (!count.found)
        return grpc_is_inherited() ? NULL : (void *)handle;
    // gRPC counts the handles of what was made here; of a replacement it knows one.
    void *real = count.inherited ? NULL : (void *)handle;
    if (count.object != NULL) {
        if (real == NULL)
            real = current(count.object);
        object_unreference(count.object);
    }
    return real;
}
