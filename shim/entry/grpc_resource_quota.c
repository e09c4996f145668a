// Resource quotas.
#include "cores/snapshot.h"
#include "cores/state.h"
#include "entry/entry.h"
#include "life/first_use.h"
#include "objects/resource_quota.h"
#include "objects/revival.h"

grpc_resource_quota *wrapped_grpc_resource_quota_create(const char *name) {
    struct core *core = grpc_enter(CALLER);
    grpc_resource_quota *quota = core->grpc.grpc_resource_quota_create(name);
    return core_records(core, CALLER) ? resource_quota_record(core, quota, name) : quota;
}

void wrapped_grpc_resource_quota_ref(grpc_resource_quota *quota) {
    struct core *core = grpc_enter_release(CALLER);
    grpc_resource_quota *real = object_add_handle(OBJECT_RESOURCE_QUOTA, quota);
    if (real != NULL)
        core->grpc.grpc_resource_quota_ref(real);
}

void wrapped_grpc_resource_quota_unref(grpc_resource_quota *quota) {
    struct core *core = grpc_enter_release(CALLER);
    grpc_resource_quota *real = object_release_handle(OBJECT_RESOURCE_QUOTA, quota);
    if (real != NULL)
        core->grpc.grpc_resource_quota_unref(real);
}

void wrapped_grpc_resource_quota_resize(grpc_resource_quota *quota, size_t size) {
    struct core *core = grpc_enter(CALLER);
    resource_quota_record_size(quota, size);
    core->grpc.grpc_resource_quota_resize(object_translate(OBJECT_RESOURCE_QUOTA, quota), size);
}

void wrapped_grpc_resource_quota_set_max_threads(grpc_resource_quota *quota, int threads) {
    struct core *core = grpc_enter(CALLER);
    resource_quota_record_threads(quota, threads);
    core->grpc.grpc_resource_quota_set_max_threads(object_translate(OBJECT_RESOURCE_QUOTA, quota),
                                                   threads);
}

const grpc_arg_pointer_vtable *wrapped_grpc_resource_quota_arg_vtable(void) {
    struct core *core = grpc_enter(CALLER);
    const grpc_arg_pointer_vtable *vtable = core->grpc.grpc_resource_quota_arg_vtable();
    if (core_is_protected(core))
        snapshot_keep(vtable, sizeof(*vtable));
    return vtable;
}
