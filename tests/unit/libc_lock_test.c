// The locks and lists of this machine's libc that have no symbols: found, and the right ones.
//
// libc allocates memory with a lock held: what was found has to look held then, and free before.
#include "child.h"
#include "testing.h"

#include "loader/image_list.h"
#include "loader/machine_code.h"
#include "locks/libc_lock.h"

#include <gnu/libc-version.h>
#include <libintl.h>
#include <locale.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern int __cxa_atexit(void (*destructor)(void *), void *object, void *image);
extern int __cxa_at_quick_exit(void (*function)(void *), void *image);

static const void *volatile watched;
static volatile size_t watched_size;
static volatile int allocations, held; // while something is watched

static bool is_zero(const void *memory, size_t size) {
    static const char zeros[sizeof(pthread_rwlock_t)];
    return memcmp(memory, zeros, size) == 0;
}

static void look(void) {
    if (watched != NULL) {
        allocations++;
        held += !is_zero((const void *)watched, watched_size);
    }
}

void *malloc(size_t size) {
    look();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    look();
    return __libc_calloc(count, size);
}

static void nothing(void *object) {
    (void)object;
}

static void nothing_with_status(int status, void *object) {
    (void)status;
    (void)object;
}

static int find(void **state) {
    (void)state;
    libc_locks_find();
    return 0;
}

// `take` is called until it allocates.
static void is_held_by(enum libc_variable lock, size_t size, void (*take)(void)) {
    const void *address = libc_variable(lock);
    assert_non_null(address);
    watched_size = size;
    allocations = held = 0;
    watched = address;
    while (allocations == 0)
        take();
    watched = NULL;
    assert_true(held > 0);
}

static void take_exit_list(void) {
    __cxa_atexit(nothing, NULL, NULL);
}

static void take_exit_list_with_status(void) {
    on_exit(nothing_with_status, NULL);
}

static void take_quick_exit_list(void) {
    __cxa_at_quick_exit(nothing, NULL);
}

static void finds_the_lock_of_exit_functions(void **state) {
    (void)state;
    assert_int_equal(*(int *)libc_variable(LIBC_EXIT_LIST_LOCK), 0);
    is_held_by(LIBC_EXIT_LIST_LOCK, sizeof(int), take_exit_list);
    is_held_by(LIBC_EXIT_LIST_LOCK, sizeof(int), take_exit_list_with_status);
    is_held_by(LIBC_EXIT_LIST_LOCK, sizeof(int), take_quick_exit_list);
    assert_int_equal(*(int *)libc_variable(LIBC_EXIT_LIST_LOCK), 0);
}

// The newest entry's last two words: the object and the image.
static void **newest(enum libc_variable list) {
    void **block = *(void ***)libc_variable(list);
    size_t used = (size_t)block[1];
    assert_true(used >= 1 && used <= 32);
    return &block[2 + 4 * used - 2];
}

static void finds_the_lists_of_exit_functions(void **state) {
    (void)state;
    int object, image;
    assert_non_null(libc_variable(LIBC_EXIT_LIST));
    assert_non_null(libc_variable(LIBC_QUICK_EXIT_LIST));
    __cxa_atexit(nothing, &object, &image);
    assert_ptr_equal(newest(LIBC_EXIT_LIST)[0], &object);
    assert_ptr_equal(newest(LIBC_EXIT_LIST)[1], &image);
    __cxa_at_quick_exit(nothing, &image);
    assert_ptr_equal(newest(LIBC_QUICK_EXIT_LIST)[1], &image);
}

static void leaves_saying_whether_exit_is_locked(void) {
    _exit(is_zero(libc_variable(LIBC_EXIT_LOCK), sizeof(int)) ? 1 : 0);
}

static void leave(void *context) {
    (void)context;
    atexit(leaves_saying_whether_exit_is_locked);
    exit(2);
}

static void finds_the_lock_of_exit_where_there_is_one(void **state) {
    (void)state;
    if (strverscmp(gnu_get_libc_version(), "2.41") < 0) {
        assert_null(libc_variable(LIBC_EXIT_LOCK));
        return;
    }
    assert_non_null(libc_variable(LIBC_EXIT_LOCK));
    assert_true(is_zero(libc_variable(LIBC_EXIT_LOCK), sizeof(int)));
    assert_int_equal(run_in_child(leave, NULL), 0);
}

static void change_locale(void) {
    setlocale(LC_ALL, "C.UTF-8");
    setlocale(LC_ALL, "C");
}

static void finds_the_locale_s_lock(void **state) {
    (void)state;
    is_held_by(LIBC_LOCALE_LOCK, sizeof(pthread_rwlock_t), change_locale);
}

static void bind_messages(void) {
    static char name[] = "libc_lock_test0";
    name[sizeof(name) - 2]++;
    bindtextdomain(name, "/nonexistent");
}

static void finds_the_lock_of_messages(void **state) {
    (void)state;
    // On 64-bit ARM it is found in some versions of glibc.
    if (libc_variable(LIBC_MESSAGES_LOCK) == NULL)
        skip();
    is_held_by(LIBC_MESSAGES_LOCK, sizeof(pthread_rwlock_t), bind_messages);
}

static void read_time_zone(void) {
    setenv("TZ", "Europe/Berlin", 1);
    watched_size = sizeof(int);
    watched = libc_variable(LIBC_TIME_ZONE_LOCK);
    tzset();
}

static void finds_the_time_zone_s_lock(void **state) {
    (void)state;
#if !defined(__x86_64__)
    skip();
#endif
    is_held_by(LIBC_TIME_ZONE_LOCK, sizeof(int), read_time_zone);
}

static void finds_nothing_where_there_is_nothing_in_common(void **state) {
    (void)state;
    struct image libc;
    void *none[] = {NULL};
    const char *const strangers[] = {"getpid", "strlen", NULL};
    const char *const missing[] = {"on_exit", "no_such_function", NULL};
    const char *const several[] = {"__cxa_atexit", "on_exit", NULL}; // the lock and the list
    assert_true(image_defining("gnu_get_libc_version", &libc));
    assert_null(code_common_variable(&libc, strangers, false, none));
    assert_null(code_common_variable(&libc, missing, false, none));
    assert_null(code_common_variable(&libc, several, false, none));
    void *lock[] = {libc_variable(LIBC_EXIT_LIST_LOCK), NULL};
    assert_ptr_equal(code_common_variable(&libc, several, false, lock),
                     libc_variable(LIBC_EXIT_LIST));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_lock_of_exit_functions),
        cmocka_unit_test(finds_the_lists_of_exit_functions),
        cmocka_unit_test(finds_the_lock_of_exit_where_there_is_one),
        cmocka_unit_test(finds_the_locale_s_lock),
        cmocka_unit_test(finds_the_lock_of_messages),
        cmocka_unit_test(finds_the_time_zone_s_lock),
        cmocka_unit_test(finds_nothing_where_there_is_nothing_in_common),
    };
    return cmocka_run_group_tests(tests, find, NULL);
}
