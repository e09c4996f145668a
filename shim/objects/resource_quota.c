#include "objects/resource_quota.h"

#include "base/record_memory.h"
#include "objects/revival.h"

struct resource_quota {
    struct object object;
    char *name;
    _Atomic size_t size; // 0: not set
    _Atomic int threads; // -1: not set
};

static const struct object_operations operations;

grpc_resource_quota *resource_quota_record(const struct core *core, grpc_resource_quota *handle,
                                           const char *name) {
    if (handle == NULL)
        return NULL;
    struct resource_quota *quota = record_allocate_zeroed(sizeof(*quota));
    if (quota == NULL) {
        RECORD_LOST("a resource quota");
        return handle;
    }
    object_initialise(&quota->object, &operations, core, handle);
    quota->name = record_copy_text(name); // gRPC gives one to a quota without
    atomic_init(&quota->threads, -1);
    object_record(&quota->object);
    return handle;
}

void resource_quota_record_size(const grpc_resource_quota *handle, size_t size) {
    struct object *object = registry_find(OBJECT_RESOURCE_QUOTA, handle, 0);
    if (object != NULL)
        atomic_store(&((struct resource_quota *)object)->size, size);
}

void resource_quota_record_threads(const grpc_resource_quota *handle, int threads) {
    struct object *object = registry_find(OBJECT_RESOURCE_QUOTA, handle, 0);
    if (object != NULL)
        atomic_store(&((struct resource_quota *)object)->threads, threads);
}

static void *build(struct object *object) {
    const struct resource_quota *quota = (const struct resource_quota *)object;
    const struct core *core = object_core(object);
    grpc_resource_quota *made = core->grpc.grpc_resource_quota_create(quota->name);
    if (atomic_load(&quota->size) > 0)
        core->grpc.grpc_resource_quota_resize(made, atomic_load(&quota->size));
    if (atomic_load(&quota->threads) >= 0)
        core->grpc.grpc_resource_quota_set_max_threads(made, atomic_load(&quota->threads));
    return made;
}

static void destroy(const struct object *object, void *real) {
    object_core(object)->grpc.grpc_resource_quota_unref(real);
}

static void dispose(struct object *object) {
    record_free(((struct resource_quota *)object)->name);
}

static const struct object_operations operations = {OBJECT_RESOURCE_QUOTA, build, destroy, dispose};
