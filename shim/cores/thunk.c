#include "cores/thunk.h"

#include "base/lock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(__x86_64__)

#define THUNK_BYTES 16

// Of thunk_x86_64.S.
extern const char thunk_first[];
extern struct thunk_entry *thunk_entries; // on the heap
extern THREAD_LOCAL struct core *thunk_core;

static _Atomic size_t count;
static struct lock lock = LOCK_INITIALIZER(LOCK_THUNKS);

static void *address_of(size_t number) {
    return (void *)((uintptr_t)thunk_first + number * THUNK_BYTES);
}

static size_t find(const struct core *core, const void *function) {
    size_t i = 0;
    while (i < atomic_load(&count) &&
           (thunk_entries[i].core != core || thunk_entries[i].function != function))
        i++;
    return i;
}

// An entry is complete before a slot leads to it.
static void *add(const struct core *core, void *function) {
    size_t number = atomic_load(&count);
    if (thunk_entries == NULL)
        thunk_entries = calloc(THUNKS, sizeof(*thunk_entries));
    if (thunk_entries == NULL || number == THUNKS)
        return function;
    thunk_entries[number] = (struct thunk_entry){core, function};
    atomic_store(&count, number + 1);
    return address_of(number);
}

void *thunk_to(const struct core *core, void *function) {
    lock_acquire(&lock);
    size_t number = find(core, function);
    void *address = number < atomic_load(&count) ? address_of(number) : add(core, function);
    lock_release(&lock);
    return address;
}

bool thunk_is_one(const void *address) {
    return (uintptr_t)address - (uintptr_t)thunk_first < THUNKS * THUNK_BYTES;
}

struct core *thunk_take_core(void) {
    struct core *core = thunk_core;
    thunk_core = NULL;
    return core;
}

void thunk_reset_in_child(void) {
    lock_reset_in_child(&lock);
}

#else

void *thunk_to(const struct core *core, void *function) {
    (void)core;
    return function;
}

bool thunk_is_one(const void *address) {
    (void)address;
    return false;
}

struct core *thunk_take_core(void) {
    return NULL;
}

void thunk_reset_in_child(void) {
}

#endif
