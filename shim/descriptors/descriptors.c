#include "descriptors/descriptors.h"

#include "base/file_status.h"
#include "base/log.h"
#include "process/record.h"
#include "process/shared_memory.h"
#include "report/counters.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

// CLOSED_DURING_FORK: closed, but perhaps not in the child of a fork that is under way.
enum state { UNUSED, OPEN, CLOSING, CLOSED_DURING_FORK };

struct descriptor {
    _Atomic uint32_t state;
    // gRPC closed it and got the same number again during one fork: the child may have the object
    // before this one, of which only the type is known then.
    _Atomic bool reopened;
    struct kernel_object object;
};

struct descriptors_piece {
    _Atomic uint64_t bits[DESCRIPTORS_A_PIECE / 64]; // set where the state is not UNUSED
    struct descriptor descriptors[DESCRIPTORS_A_PIECE];
};

_Atomic(struct descriptors_table *) descriptors_table;
static _Atomic unsigned end; // behind the highest one ever tracked
static _Atomic bool some_left_closing;
static _Atomic pid_t owner; // the process that these tables describe
static unsigned closed_in_child;

static struct descriptors_table *get_table(void) {
    struct descriptors_table *existing = atomic_load(&descriptors_table);
    if (existing != NULL)
        return existing;
    struct descriptors_table *made = calloc(1, sizeof(*made));
    if (made == NULL || atomic_compare_exchange_strong(&descriptors_table, &existing, made))
        return made;
    free(made);
    return existing;
}

static _Atomic(struct descriptors_piece *) *place_of_piece(int descriptor) {
    return &atomic_load(&descriptors_table)->pieces[descriptor / DESCRIPTORS_A_PIECE];
}

// The piece of a descriptor; made if need be, on the heap: each mapping of its own costs every fork
// half a microsecond.
static struct descriptors_piece *get_piece(int descriptor) {
    struct descriptors_table *table = get_table();
    _Atomic(struct descriptors_piece *) *place = table != NULL ? place_of_piece(descriptor) : NULL;
    struct descriptors_piece *existing = place != NULL ? atomic_load(place) : NULL;
    if (existing != NULL)
        return existing;
    struct descriptors_piece *made = place != NULL ? calloc(1, sizeof(*made)) : NULL;
    if (made == NULL) {
        static bool said;
        log_once(said, LOG_ERROR,
                 "can't track descriptors, out of memory, children keep them open");
        return NULL;
    }
    atomic_store(&owner, (pid_t)syscall(SYS_getpid));
    if (atomic_compare_exchange_strong(place, &existing, made))
        return made;
    free(made);
    return existing;
}

static struct descriptor *entry_of(int descriptor) {
    struct descriptors_piece *piece = atomic_load(place_of_piece(descriptor));
    return &piece->descriptors[descriptor % DESCRIPTORS_A_PIECE];
}

static _Atomic uint64_t *word_of(struct descriptors_piece *piece, int descriptor) {
    return &piece->bits[descriptor % DESCRIPTORS_A_PIECE / 64];
}

bool descriptors_tracked_in(const struct descriptors_piece *piece, int descriptor) {
    const _Atomic uint64_t *word = word_of((struct descriptors_piece *)piece, descriptor);
    return atomic_load_explicit(word, memory_order_relaxed) >> (descriptor % 64) & 1;
}

static void set_bit(int descriptor) {
    struct descriptors_piece *piece = atomic_load(place_of_piece(descriptor));
    atomic_fetch_or(word_of(piece, descriptor), UINT64_C(1) << (descriptor % 64));
}

static void clear_bit(int descriptor) {
    struct descriptors_piece *piece = atomic_load(place_of_piece(descriptor));
    atomic_fetch_and(word_of(piece, descriptor), ~(UINT64_C(1) << (descriptor % 64)));
}

// Between the system call that makes a descriptor and the line that remembers it, another thread
// may fork. That window is small and was still met in 1 of 3,000 forks while connections came and
// went. A lock would close it, held while fork() runs. Instead the child asks the parent, which
// goes on. Each opening has a number and, in memory that both share, an entry by that number. The
// child sees in its own memory which openings were in that window at fork, waits until the parent's
// threads have filled in their entries, which they are about to do, and closes what it has of it.
static _Atomic int early_forks_under_way; // those that began before it had
static THREAD_LOCAL bool fork_is_early;
static _Atomic uint64_t last_number;
static _Atomic uint64_t under_way; // a bit for each of the table's openings

void descriptors_describe_table(void) {
    process_record.descriptors_table = (uintptr_t)&descriptors_table;
    process_record.descriptors_a_piece = DESCRIPTORS_A_PIECE;
    process_record.pieces = DESCRIPTORS_MAXIMUM / DESCRIPTORS_A_PIECE;
}

void descriptors_start(void) {
    shared_memory_own();
}

int descriptors_opening(void) {
    int saved_errno = errno;
    uint64_t used = atomic_load(&under_way);
    int place = -1;
    bool possible = shared_memory_own() != NULL && get_table() != NULL;
    while (possible && place < 0) {
        if (~used == 0) {
            sched_yield(); // 64 other threads are between two lines
            used = atomic_load(&under_way);
            continue;
        }
        // A child that sees the bit and not yet the number finds an old one and no descriptor of
        // it: none was made by then.
        int candidate = __builtin_ctzll(~used);
        if (!atomic_compare_exchange_strong(&under_way, &used, used | UINT64_C(1) << candidate))
            continue;
        place = candidate;
        atomic_load(&descriptors_table)->openings[place] = atomic_fetch_add(&last_number, 1) + 1;
        atomic_signal_fence(memory_order_seq_cst);
    }
    errno = saved_errno;
    return place;
}

static struct kernel_object look_at(int descriptor) {
    struct kernel_object object = {.descriptor = -1};
    struct stat status;
    if (descriptor >= 0 && descriptor < DESCRIPTORS_MAXIMUM && file_status(descriptor, &status))
        object = (struct kernel_object){descriptor, status.st_mode, status.st_dev, status.st_ino};
    return object;
}

static bool fork_is_under_way(void) {
    struct shared_memory *own = shared_memory_known();
    return atomic_load(&early_forks_under_way) != 0 ||
           (own != NULL && atomic_load(&own->forks_under_way) != 0);
}

static void remember(const struct kernel_object *object) {
    if (object->descriptor < 0 || get_piece(object->descriptor) == NULL)
        return;
    struct descriptor *entry = entry_of(object->descriptor);
    // CLOSING: the thread that closed it has not come to say so. Under address sanitizer, where
    // forks take longer, up to 98 of 1,500 children of a busy parent kept a socket that was
    // replaced so.
    uint32_t before = atomic_load(&entry->state);
    if (before == CLOSED_DURING_FORK || (before == CLOSING && fork_is_under_way())) {
        atomic_store(&entry->reopened, true);
        atomic_store(&some_left_closing, true);
    }
    entry->object = *object;
    atomic_store(&entry->state, OPEN);
    unsigned known_end = atomic_load(&end);
    while (known_end <= (unsigned)object->descriptor &&
           !atomic_compare_exchange_weak(&end, &known_end, (unsigned)object->descriptor + 1)) {
    }
    set_bit(object->descriptor);
}

void descriptors_opened(int opening, int made, int made_too) {
    int saved_errno = errno;
    const struct kernel_object objects[2] = {look_at(made), look_at(made_too)};
    remember(&objects[0]);
    remember(&objects[1]);
    if (opening >= 0) {
        uint64_t *place = &atomic_load(&descriptors_table)->openings[opening];
        uint64_t number = *place;
        struct opening *entry = &shared_memory_known()->openings[number % OPENINGS_REMEMBERED];
        entry->objects[0] = objects[0];
        entry->objects[1] = objects[1];
        atomic_store(&entry->number, number);
        *place = 0;
        atomic_signal_fence(memory_order_seq_cst);
        atomic_fetch_and(&under_way, ~(UINT64_C(1) << opening));
    }
    errno = saved_errno;
}

// Forgets a descriptor that is in this state. Changes nothing where gRPC already got the number
// again.
static void forget(int descriptor, uint32_t state) {
    struct descriptor *entry = entry_of(descriptor);
    if (!atomic_compare_exchange_strong(&entry->state, &state, UNUSED))
        return;
    clear_bit(descriptor);
    // gRPC may have got it again between the two lines above.
    if (atomic_load(&entry->state) == OPEN)
        set_bit(descriptor);
}

static void each_of_word(unsigned first, unsigned last, unsigned base, uint64_t bits,
                         void (*step)(int descriptor)) {
    for (; bits != 0; bits &= bits - 1) {
        unsigned descriptor = base + (unsigned)__builtin_ctzll(bits);
        if (descriptor >= first && descriptor <= last)
            step((int)descriptor);
    }
}

// Calls `step` for each tracked descriptor of the range; `last` is included.
static void each_tracked(unsigned first, unsigned last, void (*step)(int descriptor)) {
    unsigned stop = atomic_load(&end);
    if (stop == 0)
        return;
    last = last < stop - 1 ? last : stop - 1;
    for (unsigned base = first / 64 * 64; base <= last; base += 64) {
        struct descriptors_piece *piece = atomic_load(place_of_piece((int)base));
        if (piece != NULL)
            each_of_word(first, last, base, atomic_load(word_of(piece, (int)base)), step);
    }
}

static void mark_closing(int descriptor) {
    atomic_store(&entry_of(descriptor)->state, CLOSING);
}

static void mark_open(int descriptor) {
    uint32_t closing = CLOSING;
    atomic_compare_exchange_strong(&entry_of(descriptor)->state, &closing, OPEN);
}

static void mark_closed_during_fork(int descriptor) {
    uint32_t closing = CLOSING;
    atomic_compare_exchange_strong(&entry_of(descriptor)->state, &closing, CLOSED_DURING_FORK);
}

static void forget_closing(int descriptor) {
    forget(descriptor, CLOSING);
}

static void forget_after_fork(int descriptor) {
    atomic_store(&entry_of(descriptor)->reopened, false);
    forget(descriptor, CLOSED_DURING_FORK);
}

static bool in_own_memory(void) {
    return atomic_load(&owner) == (pid_t)syscall(SYS_getpid);
}

static void change(unsigned first, unsigned last, void (*step)(int descriptor)) {
    if (atomic_load(&end) > first && in_own_memory())
        each_tracked(first, last, step);
}

void descriptors_closing(unsigned first, unsigned last) {
    change(first, last, mark_closing);
}

void descriptors_not_closed(unsigned first, unsigned last) {
    change(first, last, mark_open);
}

void descriptors_closed(unsigned first, unsigned last) {
    if (!fork_is_under_way()) {
        change(first, last, forget_closing);
        return;
    }
    change(first, last, mark_closed_during_fork);
    atomic_store(&some_left_closing, true);
}

void descriptors_fork_begins(void) {
    struct shared_memory *own = shared_memory_known();
    if (likely(own != NULL)) {
        atomic_fetch_add(&own->forks_under_way, 1);
    } else {
        atomic_fetch_add(&early_forks_under_way, 1);
        fork_is_early = true;
    }
}

void descriptors_fork_ended(void) {
    // Not where a signal handler's _Fork() came between the two, in its child.
    struct shared_memory *own = shared_memory_known();
    if (unlikely(fork_is_early)) {
        fork_is_early = false;
        atomic_fetch_sub(&early_forks_under_way, 1);
    } else if (likely(own != NULL)) {
        atomic_fetch_sub(&own->forks_under_way, 1);
    }
    // A descriptor that is missed here, because it is closed right now, is forgotten after the next
    // fork: a child compares the kernel object before it touches the number. Only a read as a rule:
    // the first write to a page after fork() is a page fault.
    if (unlikely(atomic_load(&some_left_closing)) && !fork_is_under_way() &&
        atomic_exchange(&some_left_closing, false))
        each_tracked(0, DESCRIPTORS_MAXIMUM - 1, forget_after_fork);
}

static void close_if_same(const struct kernel_object *object, bool only_type) {
    struct kernel_object now = look_at(object->descriptor);
    bool same = now.descriptor >= 0 && now.mode == object->mode &&
                (only_type || (now.device == object->device && now.inode == object->inode));
    if (same && syscall(SYS_close, now.descriptor) == 0)
        closed_in_child++;
}

static void close_in_child(int descriptor) {
    struct descriptor *entry = entry_of(descriptor);
    close_if_same(&entry->object, atomic_load(&entry->reopened));
    atomic_store(&entry->state, UNUSED);
    atomic_store(&entry->reopened, false);
    clear_bit(descriptor);
}

// How long a child waits for a thread of its parent that is between two lines: it may be preempted,
// and the parent may be stopped or killed. The time that the child itself was kept waiting does not
// count: on a machine that is so busy, or is stopped as a whole, its parent was, too.
#define PATIENCE_NANOSECONDS 100000000

static bool await_parent(const struct opening *entry, uint64_t number) {
    struct timespec start, now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    while (atomic_load(&entry->number) < number) {
        sched_yield();
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        if ((now.tv_sec - start.tv_sec) * 1000000000L + now.tv_nsec - start.tv_nsec >
            PATIENCE_NANOSECONDS)
            return false;
    }
    return atomic_load(&entry->number) == number;
}

static void close_being_opened(void) {
    const struct shared_memory *parents = shared_memory_of_parent();
    for (uint64_t used = atomic_load(&under_way); parents != NULL && used != 0; used &= used - 1) {
        uint64_t number = atomic_load(&descriptors_table)->openings[__builtin_ctzll(used)];
        const struct opening *entry = &parents->openings[number % OPENINGS_REMEMBERED];
        if (number == 0)
            continue;
        if (await_parent(entry, number)) {
            close_if_same(&entry->objects[0], false);
            close_if_same(&entry->objects[1], false);
        } else {
            log_text(LOG_INFO, "the parent does not say what it was opening at fork, a descriptor "
                               "of its gRPC may stay open");
        }
    }
    atomic_store(&under_way, 0);
}

void descriptors_note_fork(void) {
    atomic_store(&early_forks_under_way, 0);
    fork_is_early = false;
}

void descriptors_close_in_child(void) {
    int saved_errno = errno;
    closed_in_child = 0;
    descriptors_note_fork();
    atomic_store(&owner, (pid_t)syscall(SYS_getpid));
    shared_memory_note_fork();
    close_being_opened();
    each_tracked(0, DESCRIPTORS_MAXIMUM - 1, close_in_child);
    PROBE1(descriptors_closed, closed_in_child);
    counters_add(COUNTER_descriptors_closed, closed_in_child);
    errno = saved_errno;
}

unsigned descriptors_closed_in_child(void) {
    return closed_in_child;
}
