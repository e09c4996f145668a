#include "core/counters.h"

#include "base/compiler.h"
#include "core/descriptors.h"
#include "core/shared_memory.h"

#include <sys/syscall.h>
#include <unistd.h>

struct record counters_record = {
    .magic = RECORD_MAGIC,
    .layout = RECORD_LAYOUT,
    .size = sizeof(counters_record),
    .descriptors_a_piece = DESCRIPTORS_A_PIECE,
    .pieces = DESCRIPTORS_MAXIMUM / DESCRIPTORS_A_PIECE,
};
extern struct record grpcforkshim_record EXPORTED __attribute__((alias("counters_record")));

uint64_t counters_get(enum counter counter) {
    const struct shared_memory *shared = shared_memory_known();
    uint64_t count = atomic_load_explicit(&counters_record.counters[counter], memory_order_relaxed);
    if (shared != NULL && counter == COUNTER_children_using_grpc)
        count += atomic_load(&shared->children_using_grpc);
    if (shared != NULL && counter == COUNTER_forks)
        count += atomic_load(&shared->forks);
    return count;
}

void counters_set_state(enum record_state state) {
    atomic_store_explicit(&counters_record.state, state, memory_order_relaxed);
}

void counters_fork_begins(void) {
    struct shared_memory *shared = shared_memory_known();
    PROBE1(fork, counters_get(COUNTER_forks));
    if (likely(shared != NULL))
        atomic_fetch_add_explicit(&shared->forks, 1, memory_order_relaxed);
    else
        counters_add(COUNTER_forks, 1);
}

void counters_start(void) {
    counters_record.descriptors_table = (uintptr_t)&descriptors_table;
    atomic_store(&counters_record.process, (uint32_t)syscall(SYS_getpid));
}

void counters_reset_in_child(uint32_t generation) {
    atomic_store(&counters_record.process, (uint32_t)syscall(SYS_getpid));
    atomic_store(&counters_record.generation, generation);
    atomic_store(&counters_record.shared_memory, 0);
    for (int i = 0; i < COUNTER_KINDS; i++)
        atomic_store_explicit(&counters_record.counters[i], 0, memory_order_relaxed);
}

void counters_child_uses_grpc(void) {
    struct shared_memory *parents = shared_memory_of_parent();
    PROBE1(child_uses_grpc, atomic_load(&counters_record.generation));
    if (parents == NULL)
        return;
    atomic_fetch_add(&parents->children_using_grpc, 1);
    shared_memory_leave_parent();
}
