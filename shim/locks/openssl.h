// OpenSSL's locks, one of which a thread may have held that a child does not have.
//
// gRPC as Debian builds it uses the process's libcrypto, which belongs to the program as much as to
// gRPC: its data can't be rewound, and its locks (pthread_rwlock_t) lie on the heap, where nobody
// knows of them all. One that was held for writing at fork stops the child for ever; one that was
// held for reading stops it when it wants to write, a thing OpenSSL does when an algorithm is asked
// for the first time. Measured: of a process that is in its first use of TLS when another thread
// forks at every 37th allocation of OpenSSL's, the first child that meets one hangs; a Python
// program that starts its threads and forks at once lost 1 to 3 of 300 children.
//
// The cure: libcrypto takes all its locks through a handful of imports. In a child these are bound
// to functions that look at each lock once, when the child meets it first: nobody but the child's
// only thread has passed by since the fork, so a lock that is held then has no holder, and is made
// anew. (But for one that the forking thread itself holds, in a callback of OpenSSL's.) What it
// protects may be half changed: OpenSSL changes lists and tables by few words. Later versions have
// mutexes besides, which say who holds them.
//
// A BoringSSL inside of gRPC's own image is rewound with it.
//
// OpenSSL 3.5 (Debian 13) has mutexes besides. A mutex says which thread holds it: one that is
// not of this process stayed behind, and the mutex is freed. With the read-write locks alone a
// child hung in CONF_module_add when its parent's thread was there.
//
// A library that takes read-write locks in other ways than OpenSSL does is left alone, as is the
// main program: there is other code in it, whose locks may be shared with the parent. So is one
// that was unloaded since.
//
// To follow all locks from their making (binding pthread_rwlock_init in the parent) was not
// tried: the parent would pay for each TLS object, and locks that were made before gRPC came
// would be missed.
#ifndef GRPCFORKSHIM_LOCKS_OPENSSL_H
#define GRPCFORKSHIM_LOCKS_OPENSSL_H

#include <stdint.h>

// Finds each libcrypto that is loaded, by what it defines, and where it imports its locks'
// functions. Libraries of which OpenSSL is only a part are left alone. When gRPC is found, and
// again when more was loaded since; one thread at a time.
void openssl_find(void);

// Binds them, if this thread is the process's only one: others might hold a lock now. Child, before
// its first use of gRPC; the generation is this process's.
void openssl_release_in_child(uint32_t generation);

// A child of a process in which they are bound: from now on its locks are made anew. Child,
// single-threaded, async-signal-safe.
void openssl_note_fork(uint32_t generation);

#endif
