// A library of every kind of data, built several times with different link options.
#include "image_fixture.h"

#include <gnu/libc-version.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef UPGRADED
int fixture_new_in_this_version[3000] = {1, 2, 3, 4, 5};
#endif
int fixture_number = 42;
int fixture_numbers[1000] = {1, 2, 3};
int fixture_zeros[5000];
const char *fixture_text = "text";
int *fixture_pointer = &fixture_number;
int *fixture_inner_pointer = &fixture_numbers[5];
static int hidden_number = 7;
static int *hidden_pointer = &hidden_number;

static int answer(void) {
    return 4711;
}

static int other_answer(void) {
    return 1174;
}

// Reached through a pointer that the loader relocates.
int (*fixture_function)(void) = answer;

static pid_t fixture_process(void) {
    return getpid();
}

// Not called before the data was reset: with lazy binding its slots lead to the loader.
static bool fixture_calls_others(void) {
    return secure_getenv("") == NULL && gnu_get_libc_version()[0] == '2';
}

static void fixture_change(void) {
    fixture_number++;
    hidden_number++;
    for (int i = 0; i < 1000; i++)
        fixture_numbers[i] += i + 1;
    for (int i = 0; i < 5000; i++)
        fixture_zeros[i] += i + 1;
}

static void fixture_change_pointers(void) {
    static int other;
    fixture_text = "another text";
    fixture_pointer = &other;
    fixture_inner_pointer = NULL;
    hidden_pointer = &other;
    fixture_function = other_answer;
}

static bool fixture_is_pristine(void) {
    static const int numbers[1000] = {1, 2, 3};
    static const int zeros[5000];
    return fixture_number == 42 && hidden_number == 7 &&
           memcmp(fixture_numbers, numbers, sizeof(numbers)) == 0 &&
           memcmp(fixture_zeros, zeros, sizeof(zeros)) == 0;
}

static bool fixture_has_pristine_pointers(void) {
    return strcmp(fixture_text, "text") == 0 && fixture_pointer == &fixture_number &&
           fixture_inner_pointer == &fixture_numbers[5] && hidden_pointer == &hidden_number &&
           fixture_function() == 4711;
}

const struct fixture fixture = {
    fixture_process,         fixture_calls_others, fixture_change,
    fixture_change_pointers, fixture_is_pristine,  fixture_has_pristine_pointers,
};

// For image_symbol_like.
int _ZN4absl10some_space8SpinLock8SlowLockEv(void);
int _ZN4absl10some_space8SpinLock8SlowLockEv(void) {
    return 1;
}
