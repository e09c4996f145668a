#include "locks/libc_lock.h"

#include "base/compiler.h"
#include "base/log.h"
#include "loader/image_list.h"
#include "loader/machine_code.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

// A lock that the same thread may take again.
struct recursive_lock {
    int state;
    int count;
    void *owner; // its pthread_self()
};

// What doesn't look like a lock that is held is left alone.
static bool is_plain_held(const void *lock) {
    int state = *(const int *)lock;
    return state == 1 || state == 2;
}

// The forking thread may be in exit() itself: a fork in an exit function.
static bool is_recursive_held(const void *lock) {
    const struct recursive_lock *recursive = lock;
    return is_plain_held(&recursive->state) && recursive->count > 0 && recursive->owner != NULL &&
           recursive->owner != (void *)pthread_self();
}

// Who held it last for writing leaves it prepared for the next writer, which says nothing.
#define RWLOCK_WRITERS_TURN 1u
static bool is_rwlock_held(const void *lock) {
    const pthread_rwlock_t *rwlock = lock;
    return ((rwlock->__data.__readers & ~RWLOCK_WRITERS_TURN) != 0 ||
            rwlock->__data.__writers != 0) &&
           rwlock->__data.__shared == 0 && rwlock->__data.__flags == 0;
}

// The functions that name each variable, and whether those that they call count. What was found
// before is none of those that follow.
static const struct {
    const char *what;
    const char *functions[5];
    bool with_calls;
    bool (*is_held)(const void *lock); // by another thread; NULL for what is not a lock
    size_t size;                       // free is all zeros
} variables[LIBC_VARIABLES] = {
    // Entries are written field by field: see locks/exit_list.h.
    [LIBC_EXIT_LIST_LOCK] =
        {
            .what = "the lock of its exit functions",
            .functions = {"__cxa_atexit", "on_exit", "__cxa_at_quick_exit", "__cxa_finalize"},
            .is_held = is_plain_held,
            .size = sizeof(int),
        },
    [LIBC_EXIT_LIST] =
        {
            .what = "its exit functions",
            .functions = {"exit", "__cxa_atexit"},
        },
    [LIBC_QUICK_EXIT_LIST] =
        {
            .what = "quick_exit's functions",
            .functions = {"quick_exit", "__cxa_at_quick_exit"},
        },
    // Never given back: whoever has it ends the process. What is left to be done is in the lists.
    [LIBC_EXIT_LOCK] =
        {
            .what = "the lock of exit()",
            .functions = {"exit", "quick_exit"},
            .with_calls = true,
            .is_held = is_recursive_held,
            .size = sizeof(struct recursive_lock),
        },
    // A child may go on without the rules of a zone that was just being read: it has UTC then.
    [LIBC_TIME_ZONE_LOCK] =
        {
            .what = "the time zone's lock",
            .functions = {"tzset", "localtime_r", "gmtime_r"},
            .is_held = is_plain_held,
            .size = sizeof(int),
        },
    // Messages are looked up in lists that grow by one pointer; categories are changed by one.
    [LIBC_MESSAGES_LOCK] =
        {
            .what = "the lock of its messages' domains",
            .functions = {"textdomain", "bindtextdomain"},
            .with_calls = true,
            .is_held = is_rwlock_held,
            .size = sizeof(pthread_rwlock_t),
        },
    [LIBC_LOCALE_LOCK] =
        {
            .what = "the locale's lock",
            .functions = {"setlocale", "newlocale", "duplocale", "freelocale"},
            .is_held = is_rwlock_held,
            .size = sizeof(pthread_rwlock_t),
        },
};
static void *found[LIBC_VARIABLES];

void *libc_variable(enum libc_variable variable) {
    return found[variable];
}

void libc_locks_find(void) {
    struct image libc;
    // By a function that nobody else defines. A sanitizer, say, has a __cxa_atexit of its own.
    if (!image_defining("gnu_get_libc_version", &libc))
        return;
    void *others[LIBC_VARIABLES + 1] = {NULL};
    size_t count = 0;
    for (size_t i = 0; i < LIBC_VARIABLES; i++) {
        found[i] =
            code_common_variable(&libc, variables[i].functions, variables[i].with_calls, others);
        if (found[i] != NULL)
            others[count++] = found[i];
        else
            log_write(LOG_DEBUG, "%s was not found in this libc", variables[i].what);
    }
}

bool libc_locks_free_in_child(void) {
    bool was_registering = false;
    for (size_t i = 0; i < LIBC_VARIABLES; i++) {
        if (found[i] == NULL || variables[i].is_held == NULL || !variables[i].is_held(found[i]))
            continue;
        was_registering |= i == LIBC_EXIT_LIST_LOCK;
        memset(found[i], 0, variables[i].size);
    }
    return was_registering;
}
