#include "cores/core.h"

struct core one_core = {.state = CORE_PROTECTED, .bound_to = &one_core};
static struct cores cores = {.count = 1, .all = {&one_core}};

__attribute__((constructor)) static void begin(void) {
    atomic_store(&cores_known, &cores);
}
