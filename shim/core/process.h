// The life of a process as gRPC sees it: attach, fork, revive.
//
//   find     when gRPC's libraries are loaded: get ready all that needs memory or the loader
//   protect  at the first call into gRPC: copy its data
//   child    after fork() (core/fork.h): close gRPC's descriptors; the child is `inherited`
//   revive   at an inherited child's first call into gRPC: rewind its data, initialise it again
//
// A page that the kernel wipes in every child (MADV_WIPEONFORK, madvise(2)) holds the flag that
// says that all of this is done. So one load tells each call that nothing is to be done, and a
// child made past libc's at-fork handlers (_Fork, a bare clone system call) is noticed all the
// same.
#ifndef GRPCFORKSHIM_CORE_PROCESS_H
#define GRPCFORKSHIM_CORE_PROCESS_H

#include "base/compiler.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct image;

struct process_flags {
    _Atomic uint32_t ready;         // 0 after a fork
    _Atomic uint32_t runtime_ready; // the same, for process_runtime_ready
};

// Not for other rooms: what the inline functions below read.
extern _Atomic(struct process_flags *) process_flags;
extern _Atomic uint32_t process_current_generation;

// How many forks lie between this process and the one that loaded gRPC.
static inline uint32_t process_generation(void) {
    return atomic_load_explicit(&process_current_generation, memory_order_relaxed);
}

// Does what is still to be done before this process may call gRPC. `caller` is the return address
// of the interposed call: for gRPC's own calls nothing is done. Any thread of any process; waits
// only for another thread of this process that is doing the same.
void process_prepare_use(const void *caller);

// The same for calls that only give something back (destroy, release, shutdown): they are answered
// from the records alone and don't start gRPC in a child that hasn't used it.
void process_prepare_release(const void *caller);

static inline bool process_is_ready(void) {
    struct process_flags *flags = atomic_load_explicit(&process_flags, memory_order_relaxed);
    return atomic_load_explicit(&flags->ready, memory_order_acquire) != 0;
}

static inline void process_enter(const void *caller) {
    if (unlikely(!process_is_ready()))
        process_prepare_use(caller);
}

static inline void process_enter_release(const void *caller) {
    if (unlikely(!process_is_ready()))
        process_prepare_release(caller);
}

// True in a child that has not used gRPC yet: no function of gRPC may be called. Any thread.
bool process_is_inherited(void);

// True where forks are survived; false before the first call into gRPC, when disabled, and where
// gRPC can't be protected. Any thread.
bool process_is_protected(void);

// True where what this call makes is to be recorded: it is the program's, and gRPC is protected.
// Any thread.
bool process_records(const void *caller);

// True for a call that gRPC or this library makes, which is none of the program's. Any thread;
// async-signal-safe.
bool process_is_inside(const void *caller);

// The program's grpc_init and grpc_shutdown calls: counted, so that a child can begin with as many.
void process_count_initialisation(void);

// Returns false when there was nothing to take back. Any thread.
bool process_count_shutdown(void);

// The program's call of grpc_init has returned. Looks whether gRPC is as the shim takes it to be,
// the first time. Any thread.
void process_initialised(void);

// The number of grpc_init calls that are not taken back yet.
uint32_t process_initialisations(void);

// What a language's runtime adds, each or NULL:
//   library_loaded  a constructor of the image is running, in the thread that loads it
//   found         gRPC was found; and once more when the program first uses it, for what was loaded
//                 since. Must not call gRPC.
//   initialising  the program calls grpc_init, from `caller`. Any process.
//   object_made   the program made a channel, or is about to make a server. Any process.
//   forked        in a child, just after fork(): single-threaded and async-signal-safe.
//   revived       in a child whose gRPC was just initialised anew.
struct process_steps {
    void (*library_loaded)(const struct image *image);
    void (*found)(void);
    void (*initialising)(const void *caller);
    void (*object_made)(void);
    void (*forked)(void);
    void (*revived)(void);
};

// The program calls grpc_init. Any thread that has passed process_enter.
void process_initialising(const void *caller);

// The program made a channel, or is about to make a server: a library for another language may have
// come in since the last one. Any thread.
void process_object_made(void);

// Adds them; they stay the caller's. From the constructor.
void process_add_steps(const struct process_steps *steps);

// Follows an image that has a gRPC of its own (core/static_images.h) from now on. Any thread, also
// one that runs the image's constructors. False where memory is lacking.
bool process_attach_static(const struct image *image);

// The word of the wiped page by which a runtime notices that it is in a child: 0 in each one until
// the runtime sets it. Stays where it is once an image is attached.
_Atomic uint32_t *process_runtime_ready(void);

// To be called by a runtime in a child before it uses gRPC there for the first time, whichever way
// the child was made: the rest of what is to be done at fork. Returns the generation. One thread.
uint32_t process_begin_child(void);

// Reads the settings and begins to count. Safe to call again, by any thread.
void process_start(void);

// Looks for a gRPC that came in before this library's constructor, whose runtimes have added their
// steps by now, and from here on at each library that is loaded. From the constructor.
void process_watch(void);

// A library registers an exit-time destructor, by its handle (its __dso_handle), as those written
// in C++ do when they are loaded, and gRPC is one of them. Any thread; keeps errno.
void process_library_loaded(const void *handle);

// --- for core/fork.c --------------------------------------------------------------------------

// Whether there is anything to do in this process's children. Any thread.
bool process_is_followed(void);

// Whether the kernel clears the flags in every child. Any thread.
bool process_flags_are_wiped(void);

// The locks of attaching and starting: whoever held them is not there. Child, single-threaded,
// async-signal-safe. (A child that is noticed late may have threads that hold the latter, so
// process_become_child frees the former alone.)
void process_reset_locks_in_child(void);

// A child's bookkeeping, whichever way it was made. Single-threaded, or while the others wait;
// async-signal-safe.
void process_become_child(void);

#endif
