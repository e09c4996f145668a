// libc's real functions, behind the ones that this library stands in front of, and those that it
// can't be linked with.
#ifndef GRPCFORKSHIM_LOADER_LIBC_H
#define GRPCFORKSHIM_LOADER_LIBC_H

#include "base/compiler.h"
#include "loader/libc_symbols.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define FUNCTION_MEMBER(result, name, parameters) result(*name) parameters;

struct libc_functions {
    LIBC_SYMBOLS(FUNCTION_MEMBER, FUNCTION_MEMBER)
};

// Not to be used directly: through libc_function().
extern struct libc_functions libc_bound;

// Binds one of libc's functions, a member of libc_bound, to the first definition behind this
// library's, as RTLD_NEXT would; without dlsym, which waits while another thread runs a constructor
// (measured: a constructor that waited for a thread that called close() hung). One at a time,
// because each look-up touches some five pages of libc (all twenty of them: 200 KiB of resident
// memory in every program), and on first use, because the order in which libraries are constructed
// is not ours. A function that this libc lacks is bound to one that returns 0. Any thread.
void libc_bind(void *member, const char *name);

// Whether this libc has the function, a member of libc_bound that has been bound. Any thread.
bool libc_has(const void *member);

#define libc_function(name)                                                                        \
    ({                                                                                             \
        if (unlikely(__atomic_load_n(&libc_bound.name, __ATOMIC_RELAXED) == NULL))                 \
            libc_bind(&libc_bound.name, #name);                                                    \
        __atomic_load_n(&libc_bound.name, __ATOMIC_RELAXED);                                       \
    })

#endif
