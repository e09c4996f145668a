// Binding of C++ functions that libgrpc++ imports from gRPC's core.
//
// Their mangled names carry types of gRPC's and abseil's of one version, so no symbol of ours can
// stand in for them. The import is found in the relocations by how its name begins, and its slot is
// given the address of a function of ours. Where no image has such an import, nothing happens.
#ifndef GRPCFORKSHIM_LANGUAGES_CPLUSPLUS_BINDING_H
#define GRPCFORKSHIM_LANGUAGES_CPLUSPLUS_BINDING_H

#include "languages/cplusplus/functions.h"

#include <stddef.h>
#include <stdint.h>

struct binding {
    // Of a plain function: the beginning of its name. Of any other: that of the mangled name.
    // Either, or the namespace, begins with "grpc".
    const char *function;
    const char *mangled;
    void *wrapper;
    // The member of struct cplusplus_functions, by its offset, that is set to the real function
    // before the wrapper is bound.
    size_t real;
};

// For a wrapper: ISO C has no conversion from function to object pointers; POSIX has.
#define BINDING_ADDRESS(function) ((void *)(uintptr_t)(function))

#define BINDING_REAL(member) offsetof(struct cplusplus_functions, member)

struct binding_table {
    const struct binding *bindings;
    size_t count;
};

// Binds what is not bound yet, in all images but those of gRPC's core, which call themselves with
// their own objects. All tables in one pass: going through the imports is most of what attaching
// costs, and is done again after each dlopen(). One at a time; not in a child before it may ask the
// loader (loader/image_list.h).
void bindings_apply(const struct binding_table *const *tables, size_t count);

#endif
