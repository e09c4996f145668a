// Resource quotas.
#include "core/resource_quota.h"
#include "core/revival.h"
#include "core/snapshot.h"
#include "entry/entry.h"

grpc_resource_quota *wrapped_grpc_resource_quota_create(const char *name) {
    process_enter(CALLER);
    grpc_resource_quota *quota = grpc.grpc_resource_quota_create(name);
    return process_records(CALLER) ? resource_quota_record(quota, name) : quota;
}

void wrapped_grpc_resource_quota_ref(grpc_resource_quota *quota) {
    process_enter_release(CALLER);
    grpc_resource_quota *real = object_add_handle(OBJECT_RESOURCE_QUOTA, quota);
    if (real != NULL)
        grpc.grpc_resource_quota_ref(real);
}

void wrapped_grpc_resource_quota_unref(grpc_resource_quota *quota) {
    process_enter_release(CALLER);
    grpc_resource_quota *real = object_release_handle(OBJECT_RESOURCE_QUOTA, quota);
    if (real != NULL)
        grpc.grpc_resource_quota_unref(real);
}

void wrapped_grpc_resource_quota_resize(grpc_resource_quota *quota, size_t size) {
    process_enter(CALLER);
    resource_quota_record_size(quota, size);
    grpc.grpc_resource_quota_resize(object_translate(OBJECT_RESOURCE_QUOTA, quota), size);
}

void wrapped_grpc_resource_quota_set_max_threads(grpc_resource_quota *quota, int threads) {
    process_enter(CALLER);
    resource_quota_record_threads(quota, threads);
    grpc.grpc_resource_quota_set_max_threads(object_translate(OBJECT_RESOURCE_QUOTA, quota),
                                             threads);
}

const grpc_arg_pointer_vtable *wrapped_grpc_resource_quota_arg_vtable(void) {
    process_enter(CALLER);
    const grpc_arg_pointer_vtable *vtable = grpc.grpc_resource_quota_arg_vtable();
    if (process_is_protected())
        snapshot_keep(vtable, sizeof(*vtable));
    return vtable;
}
