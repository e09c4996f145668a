#include "report/counters.h"

#include "base/compiler.h"
#include "process/record.h"
#include "process/shared_memory.h"

#include <sys/syscall.h>
#include <unistd.h>

uint64_t counters_get(enum counter counter) {
    const struct shared_memory *shared = shared_memory_known();
    uint64_t count = atomic_load_explicit(&process_record.counters[counter], memory_order_relaxed);
    if (shared != NULL && counter == COUNTER_children_using_grpc)
        count += atomic_load(&shared->children_using_grpc);
    if (shared != NULL && counter == COUNTER_forks)
        count += atomic_load(&shared->forks);
    return count;
}

void counters_set_state(enum record_state state) {
    atomic_store_explicit(&process_record.state, state, memory_order_relaxed);
}

void counters_set_protected(unsigned place, uintptr_t image) {
    atomic_store_explicit(&process_record.protected_images[place], image, memory_order_relaxed);
}

void counters_note_refused(void) {
    // Said before each fork, which is not to cost the parent a page.
    if (atomic_load_explicit(&process_record.refused, memory_order_relaxed) == 0)
        atomic_store_explicit(&process_record.refused, 1, memory_order_relaxed);
}

void counters_server_made(void) {
    atomic_fetch_add_explicit(&process_record.servers, 1, memory_order_relaxed);
}

void counters_server_ended(bool inherited) {
    _Atomic uint32_t *count =
        inherited ? &process_record.inherited_servers : &process_record.servers;
    atomic_fetch_sub_explicit(count, 1, memory_order_relaxed);
}

// Whose servers they are now. The record's page is written to in any case.
static void inherit_servers(void) {
    uint32_t servers = atomic_exchange(&process_record.servers, 0);
    if (servers > 0)
        atomic_store(&process_record.server_process, atomic_load(&process_record.process));
    atomic_fetch_add(&process_record.inherited_servers, servers);
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
    atomic_store(&process_record.process, (uint32_t)syscall(SYS_getpid));
}

void counters_reset_in_child(uint32_t generation) {
    inherit_servers();
    atomic_store(&process_record.process, (uint32_t)syscall(SYS_getpid));
    atomic_store(&process_record.generation, generation);
    atomic_store(&process_record.shared_memory, 0);
    for (int i = 0; i < COUNTER_KINDS; i++)
        atomic_store_explicit(&process_record.counters[i], 0, memory_order_relaxed);
}

void counters_child_uses_grpc(void) {
    struct shared_memory *parents = shared_memory_of_parent();
    PROBE1(child_uses_grpc, atomic_load(&process_record.generation));
    if (parents == NULL)
        return;
    atomic_fetch_add(&parents->children_using_grpc, 1);
    shared_memory_leave_parent();
}
