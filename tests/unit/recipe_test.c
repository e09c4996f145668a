// Objects that are made again by the calls that made them.
//
// Each test runs in a child: it changes the generation, as if it were the child of the process that
// made the objects.
#include "child.h"
#include "one_core.h"
#include "testing.h"

#include "base/generation.h"
#include "objects/recipe.h"
#include "objects/revival.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

// What the functions below were called with, in order.
static char calls[1000];

static void note(const char *format, ...) {
    size_t length = strlen(calls);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(calls + length, sizeof(calls) - length, format, arguments);
    va_end(arguments);
}

static void check_calls(const char *expected) {
    if (strcmp(calls, expected) != 0)
        dprintf(STDERR_FILENO, "calls: %s\n", calls);
    require(strcmp(calls, expected) == 0);
    calls[0] = '\0';
}

// Objects are numbered in the order in which they are made.
static char objects[100];

static void *make_object(void) {
    static size_t made;
    return &objects[++made];
}

static int number(const void *object) {
    return object != NULL ? (int)((const char *)object - objects) : 0;
}

static void *create(void) {
    void *made = make_object();
    note("create=%d ", number(made));
    return made;
}

static void *create_from_text(const struct core *of, const char *text, uintptr_t word) {
    require(of == core);
    void *made = make_object();
    note("text(%s,%d)=%d ", text != NULL ? text : "none", (int)word, number(made));
    return made;
}

static void *create_from_texts(const struct core *of, const char *const texts[3]) {
    require(of == core);
    void *made = make_object();
    note("texts(%s,%s,%s)=%d ", texts[0], texts[1] != NULL ? texts[1] : "none", texts[2],
         number(made));
    return made;
}

struct block {
    uintptr_t word;
    void (*destroy)(void);
};

static void *create_from_block(const struct core *of, const struct block *block) {
    require(of == core);
    void *made = make_object();
    note("block(%d,%s)=%d ", (int)block->word, block->destroy != NULL ? "destroy" : "none",
         number(made));
    return made;
}

static void *create_from_object(const struct core *of, const void *object) {
    require(of == core);
    void *made = make_object();
    note("object(%d)=%d ", number(object), number(made));
    return made;
}

static void set(const struct core *of, const void *object, const char *text) {
    require(of == core);
    note("set(%d,%s) ", number(object), text);
}

static void release_options(grpc_alts_credentials_options *options) {
    note("release(%d) ", number(options));
}

static void release_provider(grpc_tls_certificate_provider *provider) {
    note("release(%d) ", number(provider));
}

#define OPTIONS OBJECT_ALTS_OPTIONS
#define PROVIDER OBJECT_TLS_PROVIDER
#define RESULT OBJECT_CHANNEL_CREDENTIALS

static void set_up(void) {
    core->grpc.grpc_alts_credentials_options_destroy = release_options;
    core->grpc.grpc_tls_certificate_provider_release = release_provider;
}

// What follows happens in a child of the process before.
static void become_child(void) {
    generation_begin();
    registry_reset_locks_in_child();
    revival_reset_locks_in_child();
    calls[0] = '\0';
}

static void copies_what_arguments_point_to(void *context) {
    char text[] = "text", first[] = "first", third[] = "third";
    const char *texts[] = {first, NULL, third};
    struct block block = {7, abort};
    (void)context;
    void *of_text =
        recipe_make(core, true, RESULT, STEP(ADAPTER(create_from_text), TEXT(text), WORD(5)));
    void *of_null =
        recipe_make(core, true, RESULT, STEP(ADAPTER(create_from_text), TEXT(NULL), WORD(6)));
    void *of_texts =
        recipe_make(core, true, RESULT, STEP(ADAPTER(create_from_texts), TEXTS(texts, 3)));
    void *of_block =
        recipe_make(core, true, RESULT,
                    STEP(ADAPTER(create_from_block),
                         BLOCK(&block, sizeof(block), offsetof(struct block, destroy))));
    check_calls("text(text,5)=1 text(none,6)=2 texts(first,none,third)=3 block(7,destroy)=4 ");
    memset(text, 'x', 4);
    memset(first, 'x', 5);
    memset(texts, 0, sizeof(texts));
    memset(&block, 0, sizeof(block));
    become_child();
    object_translate(RESULT, of_text);
    object_translate(RESULT, of_null);
    object_translate(RESULT, of_texts);
    object_translate(RESULT, of_block);
    check_calls("text(text,5)=5 text(none,6)=6 texts(first,none,third)=7 block(7,none)=8 ");
    require(number(object_translate(RESULT, of_text)) == 5);
    check_calls("");
}

static void repeats_changes_in_their_order(void *context) {
    (void)context;
    void *options = recipe_make(core, true, OPTIONS, STEP(ADAPTER(create)));
    recipe_change(core, true, OPTIONS, options,
                  STEP(ADAPTER(set), SELF(OPTIONS, options), TEXT("a")));
    recipe_change(core, true, OPTIONS, options,
                  STEP(ADAPTER(set), SELF(OPTIONS, options), TEXT("b")));
    check_calls("create=1 set(1,a) set(1,b) ");
    become_child();
    recipe_change(core, true, OPTIONS, options,
                  STEP(ADAPTER(set), SELF(OPTIONS, options), TEXT("c")));
    check_calls("create=2 set(2,a) set(2,b) set(2,c) ");
    become_child();
    object_translate(OPTIONS, options);
    check_calls("create=3 set(3,a) set(3,b) set(3,c) ");
}

static void leads_to_replacements_of_handles(void *context) {
    (void)context;
    void *provider = recipe_make(core, true, PROVIDER, STEP(ADAPTER(create)));
    void *result = recipe_make(core, true, RESULT,
                               STEP(ADAPTER(create_from_object), OBJECT(PROVIDER, provider)));
    check_calls("create=1 object(1)=2 ");
    become_child();
    object_translate(RESULT, result);
    check_calls("create=3 object(3)=4 ");
    // One that the program has given back is made for this one use.
    become_child();
    require(object_release_handle(PROVIDER, provider) == NULL);
    object_translate(RESULT, result);
    check_calls("create=5 object(5)=6 release(5) ");
}

static void does_not_see_later_changes_of_a_snapshot(void *context) {
    (void)context;
    void *options = recipe_make(core, true, OPTIONS, STEP(ADAPTER(create)));
    recipe_change(core, true, OPTIONS, options,
                  STEP(ADAPTER(set), SELF(OPTIONS, options), TEXT("a")));
    void *result = recipe_make(core, true, RESULT,
                               STEP(ADAPTER(create_from_object), SNAPSHOT(OPTIONS, options)));
    recipe_change(core, true, OPTIONS, options,
                  STEP(ADAPTER(set), SELF(OPTIONS, options), TEXT("b")));
    become_child();
    object_translate(RESULT, result);
    check_calls("create=3 set(3,a) object(3)=4 release(3) ");
}

static void makes_anew_what_was_consumed(void *context) {
    (void)context;
    void *options = recipe_make(core, true, OPTIONS, STEP(ADAPTER(create)));
    void *result = recipe_make(core, true, RESULT,
                               STEP(ADAPTER(create_from_object), CONSUMED(OPTIONS, options)));
    become_child();
    object_translate(RESULT, result);
    check_calls("create=3 object(3)=4 ");
    // With what consumed it ends the record of what was consumed.
    require(number(object_release_handle(RESULT, result)) == 4);
    require(registry_find(OPTIONS, options, 0) == NULL);
    check_calls("");
}

static void uses_what_it_cannot_repeat_as_it_was_inherited(void *context) {
    char unknown;
    (void)context;
    void *consuming = recipe_make(core, true, RESULT,
                                  STEP(ADAPTER(create_from_object), CONSUMED(OPTIONS, &unknown)));
    void *using = recipe_make(core, true, RESULT,
                              STEP(ADAPTER(create_from_object), OBJECT(OPTIONS, objects)));
    void *forgotten =
        recipe_make(core, true, RESULT, STEP(ADAPTER(create_from_text), TEXT("a"), WORD(1)));
    void *inside =
        recipe_make(core, false, RESULT, STEP(ADAPTER(create_from_text), TEXT("b"), WORD(2)));
    recipe_forget(RESULT, forgotten);
    become_child();
    require(object_translate(RESULT, consuming) == consuming);
    require(object_translate(RESULT, forgotten) == forgotten);
    require(object_translate(RESULT, inside) == inside);
    check_calls("");
    object_translate(RESULT, using);
    check_calls("object(0)=5 ");
}

static void counts_the_handles_of_a_singleton(void *context) {
    (void)context;
    void *first = recipe_make(core, true, RESULT, STEP(ADAPTER(create)));
    require(recipe_record(core, true, RESULT, first, STEP(ADAPTER(create))) == first);
    require(object_release_handle(RESULT, first) == first);
    require(registry_find(RESULT, first, 0) != NULL);
    require(object_release_handle(RESULT, first) == first);
    require(registry_find(RESULT, first, 0) == NULL);
    // The same address from a function with arguments is a new object.
    recipe_record(core, true, RESULT, first, STEP(ADAPTER(create_from_text), TEXT("a"), WORD(1)));
    recipe_record(core, true, RESULT, first, STEP(ADAPTER(create_from_text), TEXT("b"), WORD(2)));
    become_child();
    object_translate(RESULT, first);
    check_calls("text(b,2)=2 ");
}

static void copies_an_object_with_its_changes(void *context) {
    (void)context;
    void *options = recipe_make(core, true, OPTIONS, STEP(ADAPTER(create)));
    recipe_change(core, true, OPTIONS, options,
                  STEP(ADAPTER(set), SELF(OPTIONS, options), TEXT("a")));
    void *copy = recipe_record_copy(core, true, OPTIONS, make_object(), options);
    recipe_change(core, true, OPTIONS, copy, STEP(ADAPTER(set), SELF(OPTIONS, copy), TEXT("b")));
    become_child();
    object_translate(OPTIONS, copy);
    check_calls("create=3 set(3,a) set(3,b) ");
    object_translate(OPTIONS, options);
    check_calls("create=4 set(4,a) ");
}

static void in_child(void **state) {
    set_up();
    assert_int_equal(run_in_child((void (*)(void *)) * state, NULL), 0);
}

#define TEST(name)                                                                                 \
    { #name, in_child, NULL, NULL, name }

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(copies_what_arguments_point_to),
        TEST(repeats_changes_in_their_order),
        TEST(leads_to_replacements_of_handles),
        TEST(does_not_see_later_changes_of_a_snapshot),
        TEST(makes_anew_what_was_consumed),
        TEST(uses_what_it_cannot_repeat_as_it_was_inherited),
        TEST(counts_the_handles_of_a_singleton),
        TEST(copies_an_object_with_its_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
