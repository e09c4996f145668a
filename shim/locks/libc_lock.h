// The C library's own locks on a child's way, one of which a thread may have held that the child
// does not have.
//
// glibc frees in a child the locks of malloc, of stdio, of the loader, of threads' stacks and some
// more; not these, all of which were met on the way from fork() to a child's first answer, or to
// its end (docs/limits.md has the whole list):
//   the list of exit functions    gRPC's statics and the shim itself register some; exit() runs it
//   exit() itself, since 2.41     by its end
//   the time zone                 gRPC's log asks for the local time
//   the locale                    the text of an error of the system's is looked up in it
//   the domains of messages       and translated
// Measured on 2.36, with a thread of the parent stopped after each instruction of atexit(): 50 of
// 91 children hang at exit(), and under the shim at their first use of gRPC.
//
// None of them has a symbol. Each is the one variable whose address several functions of libc make
// (loader/machine_code.h). Compared with the debug symbols of glibc 2.31, 2.36, 2.41 and 2.43 for
// x86-64, all of them are the right ones; on 64-bit ARM the time zone's is not found, nor that of
// messages since 2.41. A lock that isn't found stays as it is, as without the shim. What such a
// lock protects may be half changed; what that means is said at each of them in libc_lock.c.
//
// Two other ways were weighed. A list of exit functions of our own in children would have to run
// before what the parent registered and after what the child's program does, and exit() itself
// would still hang. Looking for the instruction that takes a lock fails since each version has
// other ones; what they have in common is that the functions of a list make the lock's address,
// and no other address all of them. The look-up takes 0.1 ms of finding gRPC, and 0.04 us of a
// child.
#ifndef GRPCFORKSHIM_LOCKS_LIBC_LOCK_H
#define GRPCFORKSHIM_LOCKS_LIBC_LOCK_H

#include <stdbool.h>

enum libc_variable {
    LIBC_EXIT_LIST_LOCK,
    LIBC_EXIT_LIST, // what that lock protects
    LIBC_QUICK_EXIT_LIST,
    LIBC_EXIT_LOCK,
    LIBC_TIME_ZONE_LOCK,
    LIBC_MESSAGES_LOCK,
    LIBC_LOCALE_LOCK,
    LIBC_VARIABLES
};

// Looks for all of them. Parent, once, when gRPC is found.
void libc_locks_find(void);

// Where one of them is, or NULL. Any thread, after that.
void *libc_variable(enum libc_variable variable);

// Frees those that a thread held which is not here. Returns whether that of the exit functions was
// among them: locks/exit_list.h has to be told. Child, before anything else is done there, and
// single-threaded; async-signal-safe. Writes nothing where all are free.
bool libc_locks_free_in_child(void);

#endif
