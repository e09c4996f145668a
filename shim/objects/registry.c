#include "objects/registry.h"

#include "base/generation.h"
#include "base/lock.h"
#include "base/record_memory.h"

#include <stdlib.h>

// Enough that eight calling threads seldom meet (a power of two), and few enough that all of them
// stay in a core's first cache.
#define SHARDS 16
#define FIRST_CAPACITY 32

// A slot that held a record: searches go on behind it.
#define TOMBSTONE ((struct object *)1)

// Open addressing with linear probing; at most three quarters are ever used.
struct table {
    size_t capacity; // slots, a power of two
    size_t used;     // slots that are not NULL: records and tombstones
    size_t live;     // records
    _Atomic(struct object *) slots[];
};

struct shard {
    struct lock lock;
    uint32_t rebuilt; // times
    _Atomic(struct table *) table;
} __attribute__((aligned(CACHE_LINE)));

static uint32_t visits;
static _Atomic bool visiting;
// Made with the first record; on the heap, since each thread's lock has a cache line of its own.
static HOT_DATA _Atomic(struct shard *) shards;

HOT static uint64_t hash(enum object_kind kind, const void *handle, uintptr_t scope) {
    // Fibonacci hashing; addresses differ in their middle bits, the product spreads them upwards.
    uint64_t mixed = (uint64_t)(uintptr_t)handle + (uint64_t)scope * 31 + (uint64_t)kind;
    mixed *= UINT64_C(0x9E3779B97F4A7C15);
    return mixed ^ mixed >> 32;
}

static struct shard *make_shards(void) {
    struct shard *existing = NULL;
    struct shard *made = aligned_alloc(_Alignof(struct shard), SHARDS * sizeof(*made));
    if (made == NULL)
        return NULL;
    for (size_t i = 0; i < SHARDS; i++)
        made[i] = (struct shard){.lock = LOCK_INITIALIZER(LOCK_RECORDS)};
    if (atomic_compare_exchange_strong(&shards, &existing, made))
        return made;
    free(made);
    return existing;
}

// NULL where there is no record yet, or no memory for the first.
HOT static struct shard *shard_of(uint64_t hash) {
    struct shard *all = atomic_load_explicit(&shards, memory_order_acquire);
    return likely(all != NULL) ? &all[hash % SHARDS] : NULL;
}

HOT static struct shard *shard_to_insert(uint64_t hash) {
    struct shard *shard = shard_of(hash);
    if (likely(shard != NULL))
        return shard;
    struct shard *all = make_shards();
    return all != NULL ? &all[hash % SHARDS] : NULL;
}

HOT static size_t first_slot(const struct table *table, uint64_t hash) {
    return (size_t)(hash / SHARDS) & (table->capacity - 1);
}

HOT static bool matches(const struct object *object, enum object_kind kind, const void *handle,
                        uintptr_t scope) {
    return object->handle == handle && object->kind == kind && object->scope == scope;
}

HOT static void place(struct table *table, uint64_t hash, struct object *object) {
    size_t slot = first_slot(table, hash);
    while (atomic_load_explicit(&table->slots[slot], memory_order_relaxed) > TOMBSTONE)
        slot = (slot + 1) & (table->capacity - 1);
    if (atomic_load_explicit(&table->slots[slot], memory_order_relaxed) == NULL)
        table->used++;
    table->live++;
    atomic_store_explicit(&table->slots[slot], object, memory_order_release);
}

// Moves the records to a table that is as large as they need. Under the shard's lock.
static struct table *rebuild(struct shard *shard, struct table *old) {
    size_t capacity = FIRST_CAPACITY;
    while (old != NULL && capacity < (old->live + 1) * 2)
        capacity *= 2;
    struct table *table = calloc(1, sizeof(*table) + capacity * sizeof(table->slots[0]));
    if (table == NULL)
        return old;
    table->capacity = capacity;
    for (size_t i = 0; old != NULL && i < old->capacity; i++) {
        struct object *object = atomic_load_explicit(&old->slots[i], memory_order_relaxed);
        if (object > TOMBSTONE)
            place(table, hash(object->kind, object->handle, object->scope), object);
    }
    atomic_store_explicit(&shard->table, table, memory_order_release);
    shard->rebuilt++;
    free(old);
    return table;
}

// A table with room for one more record, or NULL. Under the shard's lock.
HOT static struct table *grown(struct shard *shard) {
    struct table *table = atomic_load_explicit(&shard->table, memory_order_relaxed);
    if (table == NULL || (table->used + 1) * 4 > table->capacity * 3)
        table = rebuild(shard, table);
    if (likely(table != NULL && table->used + 1 < table->capacity))
        return table;
    RECORD_LOST("an object of gRPC's");
    return NULL;
}

bool registry_start(void) {
    struct shard *all = atomic_load(&shards);
    if (all == NULL)
        all = make_shards();
    bool made = all != NULL;
    for (size_t i = 0; made && i < SHARDS; i++) {
        lock_acquire(&all[i].lock);
        made = atomic_load(&all[i].table) != NULL || rebuild(&all[i], NULL) != NULL;
        lock_release(&all[i].lock);
    }
    return made;
}

// The slot of a record, or NULL. `exactly` limits the search to that record. Under the lock.
HOT static _Atomic(struct object *) *find_slot(struct table *table, uint64_t hash,
                                               enum object_kind kind, const void *handle,
                                               uintptr_t scope, const struct object *exactly) {
    if (table == NULL)
        return NULL;
    for (size_t slot = first_slot(table, hash);; slot = (slot + 1) & (table->capacity - 1)) {
        struct object *object = atomic_load_explicit(&table->slots[slot], memory_order_relaxed);
        if (object == NULL)
            return NULL;
        if (object != TOMBSTONE && matches(object, kind, handle, scope) &&
            (exactly == NULL || object == exactly))
            return &table->slots[slot];
    }
}

// Known by the first record of a kind: so that no module has to name all kinds.
static _Atomic(const struct object_operations *) operations_of_kind[OBJECT_KINDS];

const struct object_operations *object_operations(const struct object *object) {
    return atomic_load_explicit(&operations_of_kind[object->kind], memory_order_relaxed);
}

HOT void object_initialise(struct object *object, const struct object_operations *operations,
                           const struct core *core, void *handle) {
    enum object_kind kind = operations->kind;
    if (unlikely(atomic_load_explicit(&operations_of_kind[kind], memory_order_relaxed) == NULL))
        atomic_store(&operations_of_kind[kind], operations);
    object->handle = handle;
    object->scope = 0;
    object->kind = (uint8_t)kind;
    object->core = (uint8_t)core->index;
    object->visit = 0;
    atomic_init(&object->real, handle);
    atomic_init(&object->generation, current_generation());
    object->made_in = current_generation();
    atomic_init(&object->handles, 1);
    atomic_init(&object->references, 1);
}

HOT static bool insert(struct object *object, bool only_if_new) {
    uint64_t hashed = hash(object->kind, object->handle, object->scope);
    struct shard *shard = shard_to_insert(hashed);
    if (shard == NULL)
        return false;
    lock_acquire(&shard->lock);
    struct table *table = grown(shard);
    bool inserted =
        table != NULL && (!only_if_new || find_slot(table, hashed, object->kind, object->handle,
                                                    object->scope, NULL) == NULL);
    if (inserted)
        place(table, hashed, object);
    lock_release(&shard->lock);
    return inserted;
}

HOT bool registry_insert(struct object *object) {
    return insert(object, false);
}

HOT bool registry_insert_new(struct object *object) {
    return insert(object, true);
}

HOT struct object *registry_find(enum object_kind kind, const void *handle, uintptr_t scope) {
    uint64_t hashed = hash(kind, handle, scope);
    struct shard *shard = shard_of(hashed);
    if (shard == NULL)
        return NULL;
    lock_acquire(&shard->lock);
    _Atomic(struct object *) *slot =
        find_slot(atomic_load(&shard->table), hashed, kind, handle, scope, NULL);
    struct object *object = slot != NULL ? atomic_load(slot) : NULL;
    lock_release(&shard->lock);
    return object;
}

// Empties a slot. Under the lock.
HOT static void clear(struct shard *shard, struct table *table, _Atomic(struct object *) *slot) {
    // With nothing behind it no search needs the tombstone.
    size_t next = ((size_t)(slot - table->slots) + 1) & (table->capacity - 1);
    bool last = atomic_load_explicit(&table->slots[next], memory_order_relaxed) == NULL;
    table->live--;
    table->used -= last;
    atomic_store_explicit(slot, last ? NULL : TOMBSTONE, memory_order_release);
    if (table->capacity > FIRST_CAPACITY && table->live * 8 < table->capacity &&
        !atomic_load(&visiting))
        rebuild(shard, table);
}

HOT static struct object *take(enum object_kind kind, const void *handle, uintptr_t scope,
                               const struct object *exactly) {
    uint64_t hashed = hash(kind, handle, scope);
    struct shard *shard = shard_of(hashed);
    struct object *object = NULL;
    if (shard == NULL)
        return NULL;
    lock_acquire(&shard->lock);
    struct table *table = atomic_load(&shard->table);
    _Atomic(struct object *) *slot = find_slot(table, hashed, kind, handle, scope, exactly);
    if (slot != NULL) {
        object = atomic_load_explicit(slot, memory_order_relaxed);
        clear(shard, table, slot);
    }
    lock_release(&shard->lock);
    return object;
}

struct object *registry_acquire(enum object_kind kind, const void *handle, uintptr_t scope) {
    uint64_t hashed = hash(kind, handle, scope);
    struct shard *shard = shard_of(hashed);
    struct object *object = NULL;
    if (shard == NULL)
        return NULL;
    lock_acquire(&shard->lock);
    _Atomic(struct object *) *slot =
        find_slot(atomic_load(&shard->table), hashed, kind, handle, scope, NULL);
    if (slot != NULL) {
        object = atomic_load_explicit(slot, memory_order_relaxed);
        atomic_fetch_add(&object->references, 1);
    }
    lock_release(&shard->lock);
    return object;
}

HOT static struct handle_count count_handle(enum object_kind kind, const void *handle, bool drop) {
    struct handle_count count = {false, 0, NULL};
    uint64_t hashed = hash(kind, handle, 0);
    struct shard *shard = shard_of(hashed);
    if (shard == NULL)
        return count;
    lock_acquire(&shard->lock);
    struct table *table = atomic_load(&shard->table);
    _Atomic(struct object *) *slot = find_slot(table, hashed, kind, handle, 0, NULL);
    if (slot != NULL) {
        struct object *object = atomic_load_explicit(slot, memory_order_relaxed);
        count.found = true;
        count.inherited = object_is_inherited(object);
        if (!drop) {
            atomic_fetch_add(&object->handles, 1);
        } else if (atomic_fetch_sub(&object->handles, 1) == 1) {
            count.object = object;
            clear(shard, table, slot);
        }
    }
    lock_release(&shard->lock);
    return count;
}

struct handle_count registry_add_handle(enum object_kind kind, const void *handle) {
    return count_handle(kind, handle, false);
}

HOT struct handle_count registry_drop_handle(enum object_kind kind, const void *handle) {
    return count_handle(kind, handle, true);
}

HOT struct object *registry_remove(enum object_kind kind, const void *handle, uintptr_t scope) {
    return take(kind, handle, scope, NULL);
}

HOT bool registry_remove_object(struct object *object) {
    return take(object->kind, object->handle, object->scope, object) != NULL;
}

HOT bool registry_replace(struct object *object, struct object **old) {
    uint64_t hashed = hash(object->kind, object->handle, object->scope);
    struct shard *shard = shard_to_insert(hashed);
    *old = NULL;
    if (shard == NULL)
        return false;
    lock_acquire(&shard->lock);
    struct table *table = grown(shard);
    _Atomic(struct object *) *slot =
        find_slot(table, hashed, object->kind, object->handle, object->scope, NULL);
    if (slot != NULL)
        *old = atomic_exchange(slot, object);
    else if (table != NULL)
        place(table, hashed, object);
    lock_release(&shard->lock);
    return table != NULL;
}

// How far a visit has come in a shard.
struct progress {
    uint32_t rebuilt; // the shard's number when it began with this table
    size_t slot;
};

// The next record that the visit has not come by, with a reference. A table that was rebuilt since
// the last one is begun with anew; the records themselves say which were visited.
static struct object *next_to_visit(struct shard *shard, enum object_kind kind,
                                    struct progress *progress) {
    struct object *found = NULL;
    lock_acquire(&shard->lock);
    const struct table *table = atomic_load(&shard->table);
    if (progress->rebuilt != shard->rebuilt)
        *progress = (struct progress){.rebuilt = shard->rebuilt};
    while (found == NULL && table != NULL && progress->slot < table->capacity) {
        struct object *object = atomic_load(&table->slots[progress->slot++]);
        if (object > TOMBSTONE && object->kind == kind && object->visit != visits)
            found = object;
    }
    if (found != NULL) {
        found->visit = visits;
        atomic_fetch_add(&found->references, 1);
    }
    lock_release(&shard->lock);
    return found;
}

void registry_visit(enum object_kind kind, void (*visit)(struct object *object, void *context),
                    void *context) {
    struct shard *all = atomic_load(&shards);
    visits++;
    // What is removed meanwhile makes no table smaller: in the child of a bare clone() malloc may
    // be locked for ever.
    atomic_store(&visiting, true);
    for (size_t i = 0; all != NULL && i < SHARDS; i++) {
        struct progress progress = {0};
        struct object *object;
        while ((object = next_to_visit(&all[i], kind, &progress)) != NULL)
            visit(object, context);
    }
    atomic_store(&visiting, false);
}

void registry_reset_locks_in_child(void) {
    struct shard *all = atomic_load(&shards);
    for (size_t i = 0; all != NULL && i < SHARDS; i++)
        lock_reset_in_child(&all[i].lock);
}
