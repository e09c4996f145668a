// A library with a gRPC of its own in it, which nobody else can see: as most are that are built by
// Bazel, vcpkg or CMake's FetchContent.

#include <grpc/grpc.h>

__attribute__((visibility("default"))) int embedded_library_start(void);

int embedded_library_start(void) {
    grpc_init();
    return grpc_is_initialized();
}
