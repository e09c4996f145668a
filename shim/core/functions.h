// The real functions behind the table of symbols.
#ifndef GRPCFORKSHIM_CORE_FUNCTIONS_H
#define GRPCFORKSHIM_CORE_FUNCTIONS_H

#include "base/compiler.h"
#include "core/grpc_abi.h"
#include "core/image.h"
#include "core/symbols.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define FUNCTION_MEMBER(result, name, parameters) result(*name) parameters;

struct grpc_functions {
    GRPC_SYMBOLS(FUNCTION_MEMBER, FUNCTION_MEMBER)
};

struct ares_functions {
    ARES_SYMBOLS(FUNCTION_MEMBER)
};

struct libc_functions {
    LIBC_SYMBOLS(FUNCTION_MEMBER, FUNCTION_MEMBER)
};

// Bound by functions_bind: by then every wrapper has passed process_enter. A function that this
// gRPC does not have is bound to one that says so and returns 0: only a program that looks symbols
// up by name can get there.
extern struct grpc_functions grpc;

// Not to be used directly: through ares_function() and libc_function().
extern struct ares_functions ares_bound;
extern struct libc_functions libc_bound;

// Binds gRPC's functions to those of its core image, wherever and however it was loaded: RTLD_NEXT
// finds nothing where the core was loaded late and locally. NULL: there is none. Parent, one
// thread.
void functions_bind(const struct image *core);

// The same for c-ares, which a program may use without gRPC. Any thread, more than once.
void functions_bind_ares(void);

// Whether the condition holds for any of gRPC's functions that is bound. Any thread.
bool functions_any(bool (*condition)(const void *function));

// True where a bound function exists; the argument points to a member of `grpc` or `libc_bound`.
bool function_present(const void *member);

// Binds one of libc's functions, a member of libc_bound, to the first definition behind this
// library's, as RTLD_NEXT would; without dlsym, which waits while another thread runs a constructor
// (measured: a constructor that waited for a thread that called close() hung). One at a time,
// because each look-up touches some five pages of libc (all twenty of them: 200 KiB of resident
// memory in every program), and on first use, because the order in which libraries are constructed
// is not ours. A function that this libc lacks is bound to one that returns 0. Any thread.
void functions_bind_libc(void *member, const char *name);

#define ares_function(name)                                                                        \
    ({                                                                                             \
        if (unlikely(__atomic_load_n(&ares_bound.name, __ATOMIC_RELAXED) == NULL))                 \
            functions_bind_ares();                                                                 \
        __atomic_load_n(&ares_bound.name, __ATOMIC_RELAXED);                                       \
    })

#define libc_function(name)                                                                        \
    ({                                                                                             \
        if (unlikely(__atomic_load_n(&libc_bound.name, __ATOMIC_RELAXED) == NULL))                 \
            functions_bind_libc(&libc_bound.name, #name);                                          \
        __atomic_load_n(&libc_bound.name, __ATOMIC_RELAXED);                                       \
    })

#endif
