// Resource quotas.
#ifndef GRPCFORKSHIM_OBJECTS_RESOURCE_QUOTA_H
#define GRPCFORKSHIM_OBJECTS_RESOURCE_QUOTA_H

#include "cores/grpc_abi.h"
#include "objects/registry.h"

#include <stddef.h>

// Records a quota that the program just made. Returns the quota. Any thread.
grpc_resource_quota *resource_quota_record(const struct core *core, grpc_resource_quota *quota,
                                           const char *name);

// Remember what the program set. Any thread.
void resource_quota_record_size(const grpc_resource_quota *quota, size_t size);
void resource_quota_record_threads(const grpc_resource_quota *quota, int threads);

#endif
