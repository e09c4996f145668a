#include "process/shared_memory.h"

#include "process/record.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic(struct shared_memory *) own;
static struct shared_memory *parents;

// By system calls: a library for memory profiling may stand in front of mmap and munmap, and these
// are called from at-fork handlers, where its locks may be held (life/fork.h).

static void unmap(struct shared_memory *memory) {
    syscall(SYS_munmap, memory, sizeof(*memory));
}

// Shared memory with so many bytes, whole pages, in front of it.
static struct shared_memory *make(size_t constants) {
    int saved_errno = errno;
    size_t size = constants + sizeof(struct shared_memory);
    long made = syscall(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                        -1, (off_t)0);
    errno = saved_errno;
    return made != -1 ? (struct shared_memory *)((unsigned char *)made + constants) : NULL;
}

// Returns the process's, which is another one where a thread was faster.
static struct shared_memory *adopt(struct shared_memory *made) {
    struct shared_memory *existing = NULL;
    if (atomic_compare_exchange_strong(&own, &existing, made)) {
        atomic_store(&process_record.shared_memory, (uintptr_t)made);
        return made;
    }
    unmap(made);
    return existing;
}

struct shared_memory *shared_memory_own(void) {
    struct shared_memory *existing = atomic_load(&own);
    struct shared_memory *made = existing == NULL ? make(0) : NULL;
    return made != NULL ? adopt(made) : existing;
}

// In one mapping with the process's shared memory where it has none yet: each mapping costs fork()
// half a microsecond. A child unmaps the part that is its parent's alone.
void *shared_memory_for_constants(size_t size) {
    size_t page = (size_t)getpagesize();
    size_t whole = (size + page - 1) / page * page;
    struct shared_memory *made = make(whole);
    if (made == NULL)
        return NULL;
    adopt(made);
    return (unsigned char *)made - whole;
}

struct shared_memory *shared_memory_known(void) {
    return atomic_load(&own);
}

void shared_memory_note_fork(void) {
    // A child that never used gRPC leaves its parent's to its own children.
    shared_memory_leave_parent();
    parents = atomic_load(&own);
    atomic_store(&own, NULL);
}

struct shared_memory *shared_memory_of_parent(void) {
    return parents;
}

void shared_memory_leave_parent(void) {
    if (parents != NULL)
        unmap(parents);
    parents = NULL;
}
