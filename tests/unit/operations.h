// Operations for records that a test makes by itself.
#ifndef GRPCFORKSHIM_TESTS_OPERATIONS_H
#define GRPCFORKSHIM_TESTS_OPERATIONS_H

#include "objects/registry.h"

static struct object_operations operations_of_kinds[OBJECT_KINDS];

// Before there are threads.
__attribute__((constructor)) static void fill_operations(void) {
    for (int kind = 0; kind < OBJECT_KINDS; kind++)
        operations_of_kinds[kind].kind = (enum object_kind)kind;
}

// Those of this kind, which do nothing.
static inline const struct object_operations *operations_of(enum object_kind kind) {
    return &operations_of_kinds[kind];
}

#endif
