#include "base/record_memory.h"

#include <stdatomic.h>
#include <string.h>

HOT_DATA struct record_block *record_reserve;
static _Atomic uint32_t used; // a bit for each block

_Static_assert(RECORD_BLOCKS == sizeof(used) * 8, "one bit for each block");

// On the heap, where it costs no page until it is needed.
bool record_memory_start(void) {
    if (record_reserve == NULL)
        record_reserve = malloc(RECORD_BLOCKS * sizeof(*record_reserve));
    return record_reserve != NULL;
}

void *record_take_block(size_t size) {
    uint32_t taken = atomic_load(&used);
    if (record_reserve == NULL || size > RECORD_BLOCK_SIZE)
        return NULL;
    while (~taken != 0) {
        int block = __builtin_ctz(~taken);
        if (atomic_compare_exchange_weak(&used, &taken, taken | UINT32_C(1) << block))
            return &record_reserve[block];
    }
    return NULL;
}

void record_give_block(void *block) {
    size_t number = (size_t)((struct record_block *)block - record_reserve);
    atomic_fetch_and(&used, ~(UINT32_C(1) << number));
}

void *record_allocate_zeroed(size_t size) {
    void *memory = calloc(1, size);
    if (memory != NULL)
        return memory;
    memory = record_take_block(size);
    return memory != NULL ? memset(memory, 0, size) : NULL;
}

char *record_copy_text(const char *text) {
    size_t size = text != NULL ? strlen(text) + 1 : 0;
    char *copy = text != NULL ? record_allocate(size) : NULL;
    return copy != NULL ? memcpy(copy, text, size) : NULL;
}
