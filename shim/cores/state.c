#include "cores/state.h"

#include "base/compiler.h"
#include "cores/detection.h"
#include "cores/snapshot.h"
#include "cores/static_images.h"
#include "report/counters.h"

#include <stdatomic.h>

static HOT_DATA _Atomic(enum state) state;
static HOT_DATA _Atomic bool inherited; // a child before its first use of gRPC
static _Atomic uint32_t initialisations;

enum state state_of_grpc(void) {
    return atomic_load(&state);
}

void state_set(enum state next) {
    atomic_store(&state, next);
}

void state_set_unprotected(const char *what, const char *why) {
    detection_unprotected(what, why);
    counters_set_protected(RECORD_LIBRARY, 0);
    atomic_store(&state, STATE_UNPROTECTED);
    counters_set_state(RECORD_unprotected);
}

HOT bool grpc_is_protected(void) {
    return atomic_load_explicit(&state, memory_order_relaxed) == STATE_PROTECTED;
}

bool grpc_is_followed(void) {
    enum state now = atomic_load(&state);
    return now == STATE_FOUND || now == STATE_PROTECTED || static_images_exist();
}

HOT bool grpc_is_inherited(void) {
    return atomic_load_explicit(&inherited, memory_order_relaxed);
}

void state_set_inherited(bool is_inherited) {
    atomic_store(&inherited, is_inherited);
}

HOT bool grpc_is_inside(const void *caller) {
    // The linker's: this library from its first byte to its last.
    extern const char __ehdr_start[] __attribute__((visibility("hidden")));
    extern const char _end[] __attribute__((visibility("hidden")));
    const char *address = caller;
    return (address >= __ehdr_start && address < _end) || snapshot_covers(caller);
}

HOT bool grpc_records(const void *caller) {
    return grpc_is_protected() && !grpc_is_inside(caller);
}

void initialisations_add(void) {
    atomic_fetch_add(&initialisations, 1);
}

bool initialisations_take_back(void) {
    uint32_t count = atomic_load(&initialisations);
    while (count > 0) {
        if (atomic_compare_exchange_weak(&initialisations, &count, count - 1))
            return true;
    }
    return false;
}

uint32_t initialisations_count(void) {
    return atomic_load(&initialisations);
}
