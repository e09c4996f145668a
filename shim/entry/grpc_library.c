// grpc_init and its kin. gRPC calls them for itself too; only the program's calls are counted.
#include "core/process.h"
#include "entry/entry.h"

void wrapped_grpc_init(void) {
    process_enter(CALLER);
    if (!process_is_inside(CALLER))
        process_count_initialisation();
    grpc.grpc_init();
}

// Whether a shutdown is to be passed on.
static bool count_shutdown(const void *caller) {
    process_enter_release(caller);
    bool counted = process_is_inside(caller) || process_count_shutdown();
    return !process_is_protected() || (counted && !process_is_inherited());
}

void wrapped_grpc_shutdown(void) {
    if (count_shutdown(CALLER))
        grpc.grpc_shutdown();
}

void wrapped_grpc_shutdown_blocking(void) {
    if (count_shutdown(CALLER))
        grpc.grpc_shutdown_blocking();
}

int wrapped_grpc_is_initialized(void) {
    process_enter_release(CALLER);
    if (process_is_inherited())
        return process_initialisations() > 0;
    return grpc.grpc_is_initialized();
}
