// The real functions behind the table of symbols.
#ifndef GRPCFORKSHIM_CORES_FUNCTIONS_H
#define GRPCFORKSHIM_CORES_FUNCTIONS_H

#include "base/compiler.h"
#include "cores/grpc_abi.h"
#include "cores/symbols.h"
#include "loader/image.h"
#include "loader/libc.h"

#include <stdbool.h>
#include <stddef.h>

struct grpc_functions {
    GRPC_SYMBOLS(FUNCTION_MEMBER, FUNCTION_MEMBER)
};

struct ares_functions {
    ARES_SYMBOLS(FUNCTION_MEMBER)
};

// Not to be used directly: through ares_function().
extern struct ares_functions ares_bound;

// Binds a core's functions to those of its image, wherever and however that was loaded: RTLD_NEXT
// finds nothing where it was loaded late and locally. A function that this gRPC does not have is
// bound to the next one. Parent, one thread.
void functions_bind(struct grpc_functions *grpc, const struct image *core);

// Says that the function does not exist, and returns 0: only a program that looks symbols up by
// name can get there. Any thread.
void *function_absent(void);

// The same for c-ares, which a program may use without gRPC. Any thread, more than once.
void functions_bind_ares(void);

// Whether the condition holds for any of these functions that is bound. Any thread.
bool functions_any(const struct grpc_functions *grpc, bool (*condition)(const void *function));

// True where a bound function exists; the argument points to a member of a struct of functions.
bool function_present(const void *member);

#define ares_function(name)                                                                        \
    ({                                                                                             \
        if (unlikely(__atomic_load_n(&ares_bound.name, __ATOMIC_RELAXED) == NULL))                 \
            functions_bind_ares();                                                                 \
        __atomic_load_n(&ares_bound.name, __ATOMIC_RELAXED);                                       \
    })

#endif
