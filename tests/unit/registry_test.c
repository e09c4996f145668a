// The registry as a table: what is put in is found, what is taken out is not, and memory is
// bounded.
#include "allocation.h"
#include "one_core.h"
#include "testing.h"

#include "objects/registry.h"
#include "operations.h"

#include <pthread.h>
#include <stdlib.h>

#define SCOPE 77

static void *handle_of(size_t number) {
    return (void *)(0x10000 + number * 16);
}

static struct object *make(enum object_kind kind, size_t number, uintptr_t scope) {
    struct object *object = malloc(sizeof(*object));
    assert_non_null(object);
    object_initialise(object, operations_of(kind), core, handle_of(number));
    object->scope = scope;
    return object;
}

static struct object *make_inserted(enum object_kind kind, size_t number, uintptr_t scope) {
    struct object *object = make(kind, number, scope);
    assert_true(registry_insert(object));
    return object;
}

static void remove_and_free(struct object *object) {
    registry_remove_object(object);
    free(object);
}

static void finds_nothing_in_an_empty_registry(void **state) {
    (void)state;
    assert_null(registry_find(OBJECT_CHANNEL, handle_of(1), 0));
    assert_null(registry_acquire(OBJECT_CHANNEL, handle_of(1), 0));
    assert_null(registry_remove(OBJECT_CHANNEL, handle_of(1), 0));
    assert_false(registry_add_handle(OBJECT_CHANNEL, handle_of(1)).found);
    assert_false(registry_drop_handle(OBJECT_CHANNEL, handle_of(1)).found);
}

static void initialises_the_head(void **state) {
    (void)state;
    struct object object;
    object_initialise(&object, operations_of(OBJECT_CALL), core, handle_of(1));
    assert_ptr_equal(object.handle, handle_of(1));
    assert_ptr_equal(object.real, handle_of(1));
    assert_int_equal(object.kind, OBJECT_CALL);
    assert_int_equal(object.scope, 0);
    assert_int_equal(object.handles, 1);
    assert_int_equal(object.references, 1);
    assert_int_equal(object.generation, object.made_in);
}

static void tells_kinds_handles_and_scopes_apart(void **state) {
    (void)state;
    struct object *objects[] = {
        make_inserted(OBJECT_CHANNEL, 1, 0),
        make_inserted(OBJECT_CALL, 1, 0),
        make_inserted(OBJECT_CHANNEL, 2, 0),
        make_inserted(OBJECT_CHANNEL, 1, SCOPE),
    };
    assert_ptr_equal(registry_find(OBJECT_CHANNEL, handle_of(1), 0), objects[0]);
    assert_ptr_equal(registry_find(OBJECT_CALL, handle_of(1), 0), objects[1]);
    assert_ptr_equal(registry_find(OBJECT_CHANNEL, handle_of(2), 0), objects[2]);
    assert_ptr_equal(registry_find(OBJECT_CHANNEL, handle_of(1), SCOPE), objects[3]);
    assert_null(registry_find(OBJECT_CALL, handle_of(2), 0));
    assert_null(registry_find(OBJECT_CALL, handle_of(1), SCOPE));
    for (size_t i = 0; i < 4; i++) {
        const struct object *object = objects[i];
        assert_ptr_equal(registry_remove(object->kind, object->handle, object->scope), object);
        assert_null(registry_find(object->kind, object->handle, object->scope));
        free(objects[i]);
    }
}

static void returns_each_of_several_equal_records_once(void **state) {
    (void)state;
    struct object *equal[3];
    for (size_t i = 0; i < 3; i++)
        equal[i] = make_inserted(OBJECT_PENDING, 5, SCOPE);
    registry_remove_object(equal[1]);
    struct object *first = registry_remove(OBJECT_PENDING, handle_of(5), SCOPE);
    assert_true(first == equal[0] || first == equal[2]);
    assert_ptr_equal(registry_find(OBJECT_PENDING, handle_of(5), SCOPE),
                     first == equal[0] ? equal[2] : equal[0]);
    struct object *second = registry_remove(OBJECT_PENDING, handle_of(5), SCOPE);
    assert_ptr_equal(second, first == equal[0] ? equal[2] : equal[0]);
    assert_null(registry_remove(OBJECT_PENDING, handle_of(5), SCOPE));
    for (size_t i = 0; i < 3; i++)
        free(equal[i]);
}

static void takes_the_record_out_with_its_last_handle(void **state) {
    (void)state;
    struct object *object = make_inserted(OBJECT_CHANNEL_CREDENTIALS, 3, 0);
    object->made_in = 7; // not this one
    struct handle_count count = registry_add_handle(OBJECT_CHANNEL_CREDENTIALS, handle_of(3));
    assert_true(count.found);
    assert_true(count.inherited);
    assert_null(count.object);
    assert_int_equal(object->handles, 2);
    count = registry_drop_handle(OBJECT_CHANNEL_CREDENTIALS, handle_of(3));
    assert_true(count.found);
    assert_null(count.object);
    assert_ptr_equal(registry_find(OBJECT_CHANNEL_CREDENTIALS, handle_of(3), 0), object);
    count = registry_drop_handle(OBJECT_CHANNEL_CREDENTIALS, handle_of(3));
    assert_true(count.found);
    assert_true(count.inherited);
    assert_ptr_equal(count.object, object);
    assert_null(registry_find(OBJECT_CHANNEL_CREDENTIALS, handle_of(3), 0));
    assert_false(registry_drop_handle(OBJECT_CHANNEL_CREDENTIALS, handle_of(3)).found);
    free(object);
}

static void acquires_with_a_reference(void **state) {
    (void)state;
    struct object *object = make_inserted(OBJECT_CALL, 4, 0);
    assert_ptr_equal(registry_acquire(OBJECT_CALL, handle_of(4), 0), object);
    assert_int_equal(object->references, 2);
    assert_int_equal(object->handles, 1);
    assert_ptr_equal(registry_find(OBJECT_CALL, handle_of(4), 0), object);
    assert_int_equal(object->references, 2);
    remove_and_free(object);
}

#define VISITED 1000

// As object_unreference does.
static void give_back(struct object *object) {
    if (object != NULL && atomic_fetch_sub(&object->references, 1) == 1)
        free(object);
}

static void count_visit(struct object *object, void *context) {
    unsigned char *visits = context;
    visits[((uintptr_t)object->handle - 0x10000) / 16]++;
    give_back(object);
}

static void take_out(struct object *object, void *context) {
    size_t *count = context;
    assert_true(registry_remove_object(object));
    atomic_fetch_sub(&object->references, 1); // the registry's
    give_back(object);
    ++*count;
}

static void visits_each_record_of_a_kind_once(void **state) {
    (void)state;
    unsigned char visits[VISITED] = {0};
    size_t removed = 0;
    for (size_t i = 0; i < VISITED; i++)
        make_inserted(i % 2 == 0 ? OBJECT_PENDING : OBJECT_CALL, i, SCOPE);
    registry_visit(OBJECT_PENDING, count_visit, visits);
    for (size_t i = 0; i < VISITED; i++)
        assert_int_equal(visits[i], i % 2 == 0);
    registry_visit(OBJECT_PENDING, take_out, &removed);
    assert_int_equal(removed, VISITED / 2);
    for (size_t i = 0; i < VISITED; i++) {
        enum object_kind kind = i % 2 == 0 ? OBJECT_PENDING : OBJECT_CALL;
        assert_int_equal(registry_find(kind, handle_of(i), SCOPE) != NULL, i % 2);
    }
    registry_visit(OBJECT_CALL, take_out, &removed);
    assert_int_equal(removed, VISITED);
}

// What another thread does while a visit is with the first record that it meets.
struct meanwhile {
    void *(*work)(void *context);
    bool done;
    size_t visits;
    unsigned char *visits_of; // by number
};

static void let_another_work(struct object *object, void *context) {
    struct meanwhile *meanwhile = context;
    pthread_t thread;
    if (!meanwhile->done) {
        meanwhile->done = true;
        assert_int_equal(pthread_create(&thread, NULL, meanwhile->work, object), 0);
        pthread_join(thread, NULL);
    }
    // Poisoned where it was freed.
    size_t number = ((uintptr_t)object->handle - 0x10000) / 16;
    assert_true(number < 2 * VISITED);
    meanwhile->visits_of[number]++;
    meanwhile->visits++;
    give_back(object);
}

// Ends all records but the last 10, the one that is being visited too.
static void *end_most(void *context) {
    (void)context;
    for (size_t i = 0; i < VISITED - 10; i++)
        give_back(registry_drop_handle(OBJECT_CALL, handle_of(i)).object);
    return NULL;
}

static void goes_on_while_others_end_records(void **state) {
    (void)state;
    unsigned char visits_of[2 * VISITED] = {0};
    struct meanwhile meanwhile = {.work = end_most, .visits_of = visits_of};
    size_t left = 0;
    for (size_t i = 0; i < VISITED; i++)
        make_inserted(OBJECT_CALL, i, 0);
    registry_visit(OBJECT_CALL, let_another_work, &meanwhile);
    // The one that was being visited may be one of those that stay.
    assert_in_range(meanwhile.visits, 10, 11);
    for (size_t i = 0; i < VISITED; i++)
        assert_true(visits_of[i] == 1 || (i < VISITED - 10 && visits_of[i] == 0));
    registry_visit(OBJECT_CALL, take_out, &left);
    assert_int_equal(left, 10);
}

// So many that every table becomes a larger one.
static void *add_many(void *context) {
    (void)context;
    for (size_t i = VISITED; i < 2 * VISITED; i++)
        make_inserted(OBJECT_CHANNEL, i, 0);
    return NULL;
}

static void goes_on_while_others_add_records(void **state) {
    (void)state;
    unsigned char visits_of[2 * VISITED] = {0};
    struct meanwhile meanwhile = {.work = add_many, .visits_of = visits_of};
    size_t left = 0;
    for (size_t i = 0; i < VISITED; i++)
        make_inserted(OBJECT_CALL, i, 0);
    registry_visit(OBJECT_CALL, let_another_work, &meanwhile);
    for (size_t i = 0; i < VISITED; i++)
        assert_int_equal(visits_of[i], 1);
    assert_int_equal(meanwhile.visits, VISITED);
    registry_visit(OBJECT_CALL, take_out, &left);
    registry_visit(OBJECT_CHANNEL, take_out, &left);
    assert_int_equal(left, 2 * VISITED);
}

// With no memory for a larger table records are still taken while one slot stays free, and a
// refused one leaves no trace.
static void survives_a_lack_of_memory(void **state) {
    (void)state;
    static struct object objects[20000];
    static bool inserted[20000];
    size_t refused = 0;
    allocation_fail(true);
    for (size_t i = 0; i < 20000; i++) {
        object_initialise(&objects[i], operations_of(OBJECT_CALL), core, handle_of(i));
        inserted[i] = registry_insert(&objects[i]);
        refused += !inserted[i];
    }
    for (size_t i = 0; i < 20000; i++)
        assert_int_equal(registry_find(OBJECT_CALL, handle_of(i), 0) != NULL, inserted[i]);
    assert_null(registry_find(OBJECT_CALL, handle_of(20001), 0));
    allocation_fail(false);
    assert_true(refused > 0);
    for (size_t i = 0; i < 20000; i++)
        assert_true(inserted[i] || registry_insert(&objects[i]));
    for (size_t i = 0; i < 20000; i++)
        assert_ptr_equal(registry_remove(OBJECT_CALL, handle_of(i), 0), &objects[i]);
}

#define MANY 200000

// 7 and MANY have no common factor.
static size_t shuffled(size_t i) {
    return i * 7 % MANY;
}

static void holds_many_records(void **state) {
    (void)state;
    static struct object objects[MANY];
    for (size_t i = 0; i < MANY; i++) {
        object_initialise(&objects[i], operations_of(OBJECT_CALL), core, handle_of(i));
        if (!registry_insert(&objects[i]))
            fail_msg("record %zu was refused", i);
    }
    for (size_t i = 0; i < MANY; i++) {
        if (registry_find(OBJECT_CALL, handle_of(i), 0) != &objects[i])
            fail_msg("record %zu is not found", i);
    }
    for (size_t i = 0; i < MANY; i++) {
        if (registry_remove(OBJECT_CALL, handle_of(shuffled(i)), 0) != &objects[shuffled(i)])
            fail_msg("record %zu can't be removed", shuffled(i));
        if (registry_find(OBJECT_CALL, handle_of(shuffled(i)), 0) != NULL)
            fail_msg("record %zu is found after its removal", shuffled(i));
    }
}

// A window of records moves over ever new keys.
static void churn(struct object *window, size_t size, size_t from, size_t to) {
    for (size_t i = from; i < to; i++) {
        struct object *object = &window[i % size];
        if (i >= size && registry_remove(OBJECT_PENDING, object->handle, SCOPE) != object)
            fail_msg("record %zu is lost", i - size);
        object_initialise(object, operations_of(OBJECT_PENDING), core, handle_of(i));
        object->scope = SCOPE;
        if (!registry_insert(object))
            fail_msg("record %zu was refused", i);
    }
}

static void empty(const struct object *window, size_t size) {
    for (size_t i = 0; i < size; i++)
        assert_non_null(registry_remove(OBJECT_PENDING, window[i].handle, SCOPE));
}

static void does_not_grow_by_churning_keys(void **state) {
    (void)state;
    static struct object window[100];
    churn(window, 100, 0, 20000);
    size_t before = allocation_bytes();
    allocation_reset_peak();
    churn(window, 100, 20000, 1020000);
    // A table is made anew before the old one is freed: one of 64 shards is twice there.
    assert_true(allocation_peak() <= before + before / 16);
    assert_true(allocation_bytes() <= before);
    empty(window, 100);
}

static void never_needs_more_than_at_its_peak(void **state) {
    (void)state;
    static struct object window[100], peak[MANY];
    size_t before = allocation_bytes();
    for (size_t i = 0; i < MANY; i++) {
        object_initialise(&peak[i], operations_of(OBJECT_CALL), core, handle_of(i));
        assert_true(registry_insert(&peak[i]));
    }
    size_t highest = allocation_bytes();
    assert_true(highest > before * 8);
    for (size_t i = 0; i < MANY; i++)
        registry_remove_object(&peak[i]);
    churn(window, 100, 0, 1000000);
    assert_true(allocation_bytes() <= highest);
    empty(window, 100);
}

#define MODEL_KEYS 64
#define MODEL_RECORDS 256

static void check_model(size_t key, size_t expected) {
    struct object *found = registry_find(OBJECT_CALL, handle_of(key), 0);
    if ((found != NULL) != (expected > 0))
        fail_msg("key %zu: %zu records expected", key, expected);
    if (found != NULL && found->handle != handle_of(key))
        fail_msg("key %zu: a record of another key", key);
}

// Every step at random, with several records of one key, against a table of counts.
static void agrees_with_a_model(void **state) {
    (void)state;
    static struct object objects[MODEL_RECORDS];
    static bool present[MODEL_RECORDS];
    size_t counts[MODEL_KEYS] = {0};
    unsigned seed = 1;
    for (size_t step = 0; step < 1000000; step++) {
        size_t i = (size_t)rand_r(&seed) % MODEL_RECORDS;
        size_t key = i % MODEL_KEYS;
        if (!present[i]) {
            object_initialise(&objects[i], operations_of(OBJECT_CALL), core, handle_of(key));
            assert_true(registry_insert(&objects[i]));
            present[i] = true;
            counts[key]++;
        } else if (step % 2 == 0) {
            registry_remove_object(&objects[i]);
            present[i] = false;
            counts[key]--;
        } else {
            struct object *any = registry_remove(OBJECT_CALL, handle_of(key), 0);
            assert_true(any != NULL && present[any - objects]);
            present[any - objects] = false;
            counts[key]--;
        }
        check_model(key, counts[key]);
    }
    for (size_t i = 0; i < MODEL_RECORDS; i++) {
        if (present[i])
            registry_remove_object(&objects[i]);
    }
}

#define THREADS 4
#define SHARED_KEY 9000000

// Each thread has keys of its own, and all count handles of one record.
static void *work(void *context) {
    static struct object windows[THREADS][500];
    size_t thread = (size_t)(uintptr_t)context;
    for (size_t i = 0; i < 200000; i++) {
        struct object *object = &windows[thread][i % 500];
        if (i >= 500 && registry_remove(OBJECT_CALL, object->handle, thread) != object)
            return "a record is lost";
        object_initialise(object, operations_of(OBJECT_CALL), core, handle_of(i));
        object->scope = thread;
        if (!registry_insert(object) || registry_find(OBJECT_CALL, handle_of(i), thread) != object)
            return "a record is not found";
        struct handle_count count =
            i % 2 == 0 ? registry_add_handle(OBJECT_CHANNEL, handle_of(SHARED_KEY))
                       : registry_drop_handle(OBJECT_CHANNEL, handle_of(SHARED_KEY));
        if (!count.found || count.object != NULL)
            return "the shared record is lost";
    }
    for (size_t i = 0; i < 500; i++)
        registry_remove_object(&windows[thread][i]);
    return NULL;
}

static void serves_many_threads(void **state) {
    (void)state;
    struct object *shared = make_inserted(OBJECT_CHANNEL, SHARED_KEY, 0);
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)i), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *complaint;
        pthread_join(threads[i], &complaint);
        if (complaint != NULL)
            fail_msg("thread %zu: %s", i, (const char *)complaint);
    }
    assert_int_equal(shared->handles, 1);
    assert_ptr_equal(registry_drop_handle(OBJECT_CHANNEL, handle_of(SHARED_KEY)).object, shared);
    free(shared);
    size_t left = 0;
    registry_visit(OBJECT_CALL, take_out, &left);
    assert_int_equal(left, 0);
}

int main(void) {
    // The tables of the later ones are larger than the first of these expect.
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_nothing_in_an_empty_registry),
        cmocka_unit_test(initialises_the_head),
        cmocka_unit_test(does_not_grow_by_churning_keys),
        cmocka_unit_test(survives_a_lack_of_memory),
        cmocka_unit_test(never_needs_more_than_at_its_peak),
        cmocka_unit_test(tells_kinds_handles_and_scopes_apart),
        cmocka_unit_test(returns_each_of_several_equal_records_once),
        cmocka_unit_test(takes_the_record_out_with_its_last_handle),
        cmocka_unit_test(acquires_with_a_reference),
        cmocka_unit_test(visits_each_record_of_a_kind_once),
        cmocka_unit_test(goes_on_while_others_end_records),
        cmocka_unit_test(goes_on_while_others_add_records),
        cmocka_unit_test(holds_many_records),
        cmocka_unit_test(agrees_with_a_model),
        cmocka_unit_test(serves_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
