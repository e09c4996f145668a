// The reserve that records are made of where malloc fails.
#include "allocation.h"
#include "testing.h"

#include "base/record_memory.h"

#include <pthread.h>
#include <string.h>

static void comes_from_malloc_while_there_is_memory(void **state) {
    (void)state;
    size_t before = allocation_bytes();
    char *memory = record_allocate(100);
    unsigned char *zeroed = record_allocate_zeroed(100);
    char *text = record_copy_text("some text");
    assert_true(allocation_bytes() >= before + 210);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(zeroed[i], 0);
    assert_string_equal(text, "some text");
    assert_null(record_copy_text(NULL));
    record_free(memory);
    record_free(zeroed);
    record_free(text);
    record_free(NULL);
    assert_int_equal(allocation_bytes(), before);
}

static void has_none_without_a_reserve(void **state) {
    (void)state;
    allocation_fail(true);
    void *const blocks[] = {record_allocate(1), record_allocate_zeroed(1), record_copy_text("x")};
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
        assert_null(blocks[i]);
        record_free(blocks[i]);
    }
    assert_false(record_memory_start());
    allocation_fail(false);
    assert_true(record_memory_start());
    assert_true(record_memory_start());
}

static void check_all_blocks(void) {
    unsigned char *blocks[RECORD_BLOCKS];
    for (size_t i = 0; i < RECORD_BLOCKS; i++) {
        blocks[i] = i % 2 == 0 ? record_allocate(RECORD_BLOCK_SIZE)
                               : record_allocate_zeroed(RECORD_BLOCK_SIZE);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % _Alignof(max_align_t), 0);
        for (size_t j = 0; i % 2 == 1 && j < RECORD_BLOCK_SIZE; j++)
            assert_int_equal(blocks[i][j], 0);
        memset(blocks[i], (int)i + 1, RECORD_BLOCK_SIZE);
    }
    assert_null(record_allocate(1));
    for (size_t i = 0; i < RECORD_BLOCKS; i++) {
        for (size_t j = 0; j < RECORD_BLOCK_SIZE; j++)
            assert_int_equal(blocks[i][j], i + 1);
        record_free(blocks[i]);
    }
}

static void gives_out_each_block_once(void **state) {
    (void)state;
    assert_true(record_memory_start());
    allocation_fail(true);
    char *too_large = record_allocate(RECORD_BLOCK_SIZE + 1);
    assert_null(too_large);
    record_free(too_large);
    check_all_blocks();
    check_all_blocks(); // they were given back
    char *text = record_copy_text("some text");
    assert_string_equal(text, "some text");
    record_free(text);
    allocation_fail(false);
}

#define THREADS 4
#define STEPS 200000

// At most all of the blocks are in use at a time.
static void *take_and_give(void *context) {
    uintptr_t number = (uintptr_t)context;
    const char *complaint = NULL;
    for (size_t i = 0; i < STEPS && complaint == NULL; i++) {
        uintptr_t *blocks[RECORD_BLOCKS / THREADS];
        for (size_t j = 0; j < sizeof(blocks) / sizeof(blocks[0]); j++) {
            blocks[j] = record_allocate(sizeof(number));
            if (blocks[j] != NULL)
                *blocks[j] = number + j;
        }
        for (size_t j = 0; j < sizeof(blocks) / sizeof(blocks[0]); j++) {
            if (blocks[j] == NULL)
                complaint = "there is none";
            else if (*blocks[j] != number + j)
                complaint = "another thread has the same";
            record_free(blocks[j]);
        }
    }
    return (void *)(uintptr_t)complaint;
}

static void serves_several_threads(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    assert_true(record_memory_start());
    allocation_fail(true);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, (void *)(i << 8)), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *complaint;
        pthread_join(threads[i], &complaint);
        if (complaint != NULL)
            fail_msg("thread %zu: %s", i, (const char *)complaint);
    }
    allocation_fail(false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_from_malloc_while_there_is_memory),
        cmocka_unit_test(has_none_without_a_reserve),
        cmocka_unit_test(gives_out_each_block_once),
        cmocka_unit_test(serves_several_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
