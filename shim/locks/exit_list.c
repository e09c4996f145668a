#include "locks/exit_list.h"

#include "base/compiler.h"
#include "loader/libc.h"
#include "locks/libc_lock.h"

#include <stdatomic.h>
#include <stddef.h>

// --- registrations that are under way -----------------------------------------------------------

// One of them is in the list's lock, the others wait for it. Where there are more than these, the
// rest is not announced.
#define ANNOUNCEMENTS 4

enum announcement_state { FREE, TAKEN, COMPLETE };
static struct announcement {
    _Atomic(enum announcement_state) state;
    void *object, *image;
} announcements[ANNOUNCEMENTS];

static struct announcement *announce(void *object, void *image) {
    for (size_t i = 0; i < ANNOUNCEMENTS; i++) {
        struct announcement *announcement = &announcements[i];
        enum announcement_state free = FREE;
        if (!atomic_compare_exchange_strong(&announcement->state, &free, TAKEN))
            continue;
        announcement->object = object;
        announcement->image = image;
        atomic_store(&announcement->state, COMPLETE);
        return announcement;
    }
    return NULL;
}

static int withdraw(struct announcement *announcement, int result) {
    if (announcement != NULL)
        atomic_store(&announcement->state, FREE);
    return result;
}

int exit_register(void (*destructor)(void *), void *object, void *image) {
    struct announcement *announcement = announce(object, image);
    return withdraw(announcement, libc_function(__cxa_atexit)(destructor, object, image));
}

int exit_register_quick(void (*function)(void *), void *image) {
    struct announcement *announcement = announce(NULL, image);
    return withdraw(announcement, libc_function(__cxa_at_quick_exit)(function, image));
}

int exit_register_with_status(void (*function)(int status, void *object), void *object) {
    struct announcement *announcement = announce(object, NULL);
    return withdraw(announcement, libc_function(on_exit)(function, object));
}

// --- libc's lists (glibc, stdlib/exit.h: the same since 2.2)
// --------------------------------------

enum { UNUSED, RESERVED, WITH_STATUS, PLAIN, DESTRUCTOR };

struct entry {
    long kind;
    void *function; // not as it is: libc encodes it
    void *object;
    void *image; // of a destructor's
};

struct block {
    struct block *next; // the one that was filled before
    size_t used;
    struct entry entries[32];
};

// New entries are put behind the last one in use.
static struct entry *newest_entry(enum libc_variable list) {
    struct block **first = libc_variable(list);
    struct block *block = first != NULL ? *first : NULL;
    while (block != NULL && block->used == 0)
        block = block->next;
    return block != NULL && block->used <= ARRAY_LENGTH(block->entries)
               ? &block->entries[block->used - 1]
               : NULL;
}

static void drop(struct entry *entry) {
    for (size_t i = 0; entry != NULL && i < ANNOUNCEMENTS; i++) {
        const struct announcement *announcement = &announcements[i];
        if (atomic_load(&announcement->state) == COMPLETE &&
            entry->object == announcement->object &&
            ((entry->kind == DESTRUCTOR && entry->image == announcement->image) ||
             entry->kind == WITH_STATUS))
            entry->kind = UNUSED;
    }
}

void exit_forget_registrations_in_child(bool was_registering) {
    if (was_registering) {
        drop(newest_entry(LIBC_EXIT_LIST));
        drop(newest_entry(LIBC_QUICK_EXIT_LIST));
    }
    for (size_t i = 0; i < ANNOUNCEMENTS; i++) {
        if (atomic_load(&announcements[i].state) != FREE)
            atomic_store(&announcements[i].state, FREE);
    }
}
