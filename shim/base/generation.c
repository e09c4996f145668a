#include "base/generation.h"

#include "base/compiler.h"

HOT_DATA _Atomic uint32_t generation_count;

uint32_t generation_begin(void) {
    return atomic_fetch_add(&generation_count, 1) + 1;
}

void generation_take_back(void) {
    atomic_fetch_sub(&generation_count, 1);
}
