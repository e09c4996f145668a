#include "cores/state.h"

#include "base/compiler.h"
#include "cores/core.h"
#include "cores/core_images.h"
#include "cores/static_images.h"

#include <stdatomic.h>

static HOT_DATA _Atomic bool inherited; // a child before its first use of gRPC

bool cores_are_followed(void) {
    FOR_EACH_CORE(core) {
        enum core_state state = core_state(core);
        if (state == CORE_FOUND || state == CORE_PROTECTED)
            return true;
    }
    return static_images_exist();
}

HOT bool grpc_is_inherited(void) {
    return atomic_load_explicit(&inherited, memory_order_relaxed);
}

void state_set_inherited(bool is_inherited) {
    atomic_store(&inherited, is_inherited);
}

HOT bool cores_made_call(const void *caller) {
    // The linker's: this library from its first byte to its last.
    extern const char __ehdr_start[] __attribute__((visibility("hidden")));
    extern const char _end[] __attribute__((visibility("hidden")));
    const char *address = caller;
    return (address >= __ehdr_start && address < _end) || core_images_cover(caller);
}

HOT bool core_records(const struct core *core, const void *caller) {
    return core_is_protected(core) && !cores_made_call(caller);
}
