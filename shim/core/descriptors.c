#include "core/descriptors.h"

#include "base/log.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum state { UNUSED, OPEN, CLOSING };

struct descriptor {
    _Atomic uint32_t state;
    uint32_t mode;
    uint64_t device;
    uint64_t inode;
};

// Reserved at once, so that no thread ever sees it move; a page is only used when it is written.
struct tables {
    _Atomic uint64_t bits[DESCRIPTORS_MAXIMUM / 64];
    struct descriptor descriptors[DESCRIPTORS_MAXIMUM];
};

_Atomic(uint64_t) * _Atomic descriptors_bits;
static _Atomic(struct tables *) tables;
static _Atomic unsigned end; // behind the highest one ever tracked
static _Atomic int forks_under_way;
static _Atomic bool some_left_closing;
static _Atomic pid_t owner; // the process that these tables describe
static unsigned closed_in_child;

static struct tables *get_tables(void) {
    struct tables *existing = atomic_load(&tables);
    if (existing != NULL)
        return existing;
    struct tables *made = mmap(NULL, sizeof(*made), PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made == MAP_FAILED) {
        static bool said;
        log_once(said, LOG_ERROR, "can't track descriptors, out of memory, children keep them open");
        return NULL;
    }
    atomic_store(&owner, (pid_t)syscall(SYS_getpid));
    if (atomic_compare_exchange_strong(&tables, &existing, made)) {
        atomic_store(&descriptors_bits, made->bits);
        return made;
    }
    munmap(made, sizeof(*made));
    return existing;
}

static void set_bit(struct tables *table, unsigned descriptor) {
    atomic_fetch_or(&table->bits[descriptor / 64], UINT64_C(1) << (descriptor % 64));
}

static void clear_bit(struct tables *table, unsigned descriptor) {
    atomic_fetch_and(&table->bits[descriptor / 64], ~(UINT64_C(1) << (descriptor % 64)));
}

// The system call: what it fills is struct stat on the 64-bit architectures, and libc's function
// carries a symbol version that older systems lack.
static bool identify(int descriptor, struct stat *status) {
    return syscall(SYS_fstat, descriptor, status) == 0;
}

// Between the system call that made the descriptor and this lies an instant in which a fork by
// another thread gives the child a descriptor that nobody knows. Closing that gap would take a lock
// that is held while fork() runs. It is some ten nanoseconds wide, and fork() itself would have to
// copy the descriptors and this memory within it.
void descriptors_opened(int descriptor) {
    int saved_errno = errno;
    struct stat status;
    struct tables *table = get_tables();
    if (table != NULL && descriptor >= 0 && descriptor < DESCRIPTORS_MAXIMUM &&
        identify(descriptor, &status)) {
        struct descriptor *entry = &table->descriptors[descriptor];
        entry->mode = status.st_mode;
        entry->device = status.st_dev;
        entry->inode = status.st_ino;
        atomic_store(&entry->state, OPEN);
        unsigned known_end = atomic_load(&end);
        while (known_end <= (unsigned)descriptor &&
               !atomic_compare_exchange_weak(&end, &known_end, (unsigned)descriptor + 1)) {
        }
        set_bit(table, (unsigned)descriptor);
    }
    errno = saved_errno;
}

// Fails to change anything where gRPC already got the number again.
static void forget(struct tables *table, unsigned descriptor) {
    uint32_t closing = CLOSING;
    if (!atomic_compare_exchange_strong(&table->descriptors[descriptor].state, &closing, UNUSED))
        return;
    clear_bit(table, descriptor);
    // gRPC may have got it again between the two lines above.
    if (atomic_load(&table->descriptors[descriptor].state) == OPEN)
        set_bit(table, descriptor);
}

// Calls `step` for each tracked descriptor of the range; `last` is included.
static void each_tracked(unsigned first, unsigned last, void (*step)(int descriptor)) {
    struct tables *table = atomic_load(&tables);
    unsigned stop = atomic_load(&end);
    if (table == NULL || stop == 0)
        return;
    last = last < stop - 1 ? last : stop - 1;
    for (unsigned word = first / 64; word <= last / 64; word++) {
        uint64_t bits = atomic_load(&table->bits[word]);
        for (; bits != 0; bits &= bits - 1) {
            unsigned descriptor = word * 64 + (unsigned)__builtin_ctzll(bits);
            if (descriptor >= first && descriptor <= last)
                step((int)descriptor);
        }
    }
}

static void mark_closing(int descriptor) {
    atomic_store(&atomic_load(&tables)->descriptors[descriptor].state, CLOSING);
}

static void forget_if_closing(int descriptor) {
    forget(atomic_load(&tables), (unsigned)descriptor);
}

static bool in_own_memory(void) {
    return atomic_load(&owner) == (pid_t)syscall(SYS_getpid);
}

void descriptors_closing(unsigned first, unsigned last) {
    if (atomic_load(&end) > first && in_own_memory())
        each_tracked(first, last, mark_closing);
}

void descriptors_closed(unsigned first, unsigned last) {
    if (atomic_load(&end) <= first || !in_own_memory())
        return;
    if (atomic_load(&forks_under_way) > 0)
        atomic_store(&some_left_closing, true);
    else
        each_tracked(first, last, forget_if_closing);
}

void descriptors_fork_begins(void) {
    atomic_fetch_add(&forks_under_way, 1);
}

void descriptors_fork_ended(void) {
    // A descriptor that is missed here, because it is being closed right now, stays "closing": a
    // child compares the kernel object before it touches the number.
    if (atomic_fetch_sub(&forks_under_way, 1) == 1 && atomic_exchange(&some_left_closing, false))
        each_tracked(0, DESCRIPTORS_MAXIMUM - 1, forget_if_closing);
}

static void close_in_child(int descriptor) {
    struct tables *table = atomic_load(&tables);
    struct descriptor *entry = &table->descriptors[descriptor];
    struct stat status;
    if (identify(descriptor, &status) && status.st_mode == entry->mode &&
        status.st_dev == entry->device && status.st_ino == entry->inode &&
        syscall(SYS_close, descriptor) == 0)
        closed_in_child++;
    atomic_store(&entry->state, UNUSED);
    clear_bit(table, (unsigned)descriptor);
}

void descriptors_close_in_child(void) {
    int saved_errno = errno;
    closed_in_child = 0;
    atomic_store(&forks_under_way, 0);
    atomic_store(&owner, (pid_t)syscall(SYS_getpid));
    each_tracked(0, DESCRIPTORS_MAXIMUM - 1, close_in_child);
    errno = saved_errno;
}

unsigned descriptors_closed_in_child(void) {
    return closed_in_child;
}
