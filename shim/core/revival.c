#include "core/revival.h"

#include "base/log.h"

#include <pthread.h>
#include <stdlib.h>

static const struct object_operations *const operations[OBJECT_KINDS] = {
    [OBJECT_CHANNEL] = &channel_operations,
    [OBJECT_REGISTERED_CALL] = &registered_call_operations,
    [OBJECT_COMPLETION_QUEUE] = &completion_queue_operations,
    [OBJECT_CALL] = &call_operations,
    [OBJECT_CHANNEL_CREDENTIALS] = &channel_credentials_operations,
    [OBJECT_CALL_CREDENTIALS] = &call_credentials_operations,
    [OBJECT_SERVER_CREDENTIALS] = &server_credentials_operations,
    [OBJECT_TLS_OPTIONS] = &tls_options_operations,
    [OBJECT_TLS_PROVIDER] = &tls_provider_operations,
    [OBJECT_TLS_VERIFIER] = &tls_verifier_operations,
    [OBJECT_TLS_IDENTITY_PAIRS] = &tls_identity_pairs_operations,
    [OBJECT_ALTS_OPTIONS] = &alts_options_operations,
    [OBJECT_SSL_SERVER_CONFIG] = &ssl_server_config_operations,
    [OBJECT_SSL_SERVER_OPTIONS] = &ssl_server_options_operations,
    [OBJECT_SSL_SESSION_CACHE] = &ssl_session_cache_operations,
    [OBJECT_RESOURCE_QUOTA] = &resource_quota_operations,
    [OBJECT_SERVER] = &server_operations,
    [OBJECT_ALARM] = &alarm_operations,
    [OBJECT_PENDING] = &pending_operations,
};

// One replacement is built at a time. A build needs other records' replacements, and gRPC may call
// the program back from within: the lock is recursive.
static pthread_mutex_t building = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

void revival_reset_locks_in_child(void) {
    building = (pthread_mutex_t)PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
}

static void *current(struct object *object) {
    if (atomic_load_explicit(&object->generation, memory_order_acquire) != process_generation())
        return NULL;
    return atomic_load_explicit(&object->real, memory_order_relaxed);
}

static void *revive(struct object *object) {
    void *real = current(object);
    if (likely(real != NULL))
        return real;
    pthread_mutex_lock(&building);
    real = current(object);
    if (real == NULL) {
        real = operations[object->kind]->build(object);
        log_write(LOG_DEBUG, "rebuilt %p of kind %d as %p", object->handle, (int)object->kind,
                  real);
        atomic_store_explicit(&object->real, real, memory_order_relaxed);
        atomic_store_explicit(&object->generation, process_generation(), memory_order_release);
    }
    pthread_mutex_unlock(&building);
    return real;
}

void *revival_translate(enum object_kind kind, const void *handle) {
    struct object *object = registry_acquire(kind, handle, 0);
    if (object == NULL)
        return (void *)handle;
    void *real = revive(object);
    object_unreference(object);
    return real;
}

void *object_borrow(struct object *object, bool *temporary) {
    *temporary = false;
    if (object == NULL)
        return NULL;
    if (atomic_load(&object->handles) > 0)
        return revive(object);
    *temporary = true;
    return operations[object->kind]->build(object);
}

void *object_build(struct object *object) {
    return operations[object->kind]->build(object);
}

void object_return(struct object *object, void *real, bool temporary) {
    if (temporary && real != NULL)
        operations[object->kind]->destroy(real);
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
    operations[object->kind]->dispose(object);
    free(object);
}

void *object_add_handle(enum object_kind kind, const void *handle) {
    struct handle_count count = registry_add_handle(kind, handle);
    if (!count.found)
        return process_is_inherited() ? NULL : (void *)handle;
    return count.made_in != process_generation() ? NULL : (void *)handle;
}

HOT void *object_release_handle(enum object_kind kind, const void *handle) {
    struct handle_count count = registry_drop_handle(kind, handle);
    if (!count.found)
        return process_is_inherited() ? NULL : (void *)handle;
    // gRPC counts the handles of what was made here; of a replacement it knows one.
    void *real = count.made_in == process_generation() ? (void *)handle : NULL;
    if (count.object != NULL) {
        if (real == NULL)
            real = current(count.object);
        object_unreference(count.object);
    }
    return real;
}
