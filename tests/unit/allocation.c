#include "allocation.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <string.h>

static _Atomic size_t bytes;
static _Atomic size_t peak;
static _Atomic bool failing;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void __wrap_free(void *block);

size_t allocation_bytes(void) {
    return bytes;
}

size_t allocation_peak(void) {
    return peak;
}

void allocation_reset_peak(void) {
    peak = bytes;
}

void allocation_fail(bool fail) {
    failing = fail;
}

static void *count(void *block) {
    if (block == NULL)
        return NULL;
    size_t size = malloc_usable_size(block);
    size_t now = atomic_fetch_add(&bytes, size) + size;
    size_t highest = peak;
    while (highest < now && !atomic_compare_exchange_weak(&peak, &highest, now)) {
    }
    return block;
}

static bool refuse(void) {
    if (!failing)
        return false;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size) {
    return refuse() ? NULL : count(__real_malloc(size));
}

void *__wrap_calloc(size_t number, size_t size) {
    return refuse() ? NULL : count(__real_calloc(number, size));
}

void __wrap_free(void *block) {
    if (block != NULL) {
        size_t size = malloc_usable_size(block);
        memset(block, FREED_BYTE, size);
        bytes -= size;
    }
    __real_free(block);
}
