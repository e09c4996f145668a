// What makes and ends descriptors, in the whole program: each wrapper adds one comparison for a
// program without gRPC.
#include "cores/core_images.h"
#include "cores/static_images.h"
#include "descriptors/close_each.h"
#include "descriptors/descriptors.h"
#include "entry/entry.h"
#include "loader/libc.h"

#include <sys/syscall.h>
#include <unistd.h>

// linux/close_range.h, which older systems lack.
#define ONLY_MARK_CLOSE_ON_EXEC 4
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

// How many of c-ares' functions that gRPC called this thread is in.
static THREAD_LOCAL int resolving_for_grpc;

static bool for_grpc(const void *caller) {
    return unlikely(resolving_for_grpc > 0) || core_images_cover(caller) ||
           static_images_cover(caller);
}

// Calls what makes one descriptor or two, and tells of them where they are gRPC's.
#define MAKE(call) MAKE_NOTED(call, result, -1)
#define MAKE_PAIR(call, pair)                                                                      \
    MAKE_NOTED(call, result == 0 ? (pair)[0] : -1, result == 0 ? (pair)[1] : -1)
#define MAKE_NOTED(call, first, second)                                                            \
    do {                                                                                           \
        if (likely(!for_grpc(CALLER)))                                                             \
            return call;                                                                           \
        int opening = descriptors_opening();                                                       \
        int result = call;                                                                         \
        descriptors_opened(opening, first, second);                                                \
        return result;                                                                             \
    } while (0)

int wrapped_socket(int domain, int type, int protocol) {
    MAKE(libc_function(socket)(domain, type, protocol));
}

int wrapped_socketpair(int domain, int type, int protocol, int descriptors[2]) {
    MAKE_PAIR(libc_function(socketpair)(domain, type, protocol, descriptors), descriptors);
}

int wrapped_accept(int descriptor, struct sockaddr *address, socklen_t *length) {
    MAKE(libc_function(accept)(descriptor, address, length));
}

int wrapped_accept4(int descriptor, struct sockaddr *address, socklen_t *length, int flags) {
    MAKE(libc_function(accept4)(descriptor, address, length, flags));
}

int wrapped_epoll_create1(int flags) {
    MAKE(libc_function(epoll_create1)(flags));
}

int wrapped_eventfd(unsigned initial, int flags) {
    MAKE(libc_function(eventfd)(initial, flags));
}

int wrapped_pipe(int descriptors[2]) {
    MAKE_PAIR(libc_function(pipe)(descriptors), descriptors);
}

int wrapped_pipe2(int descriptors[2], int flags) {
    MAKE_PAIR(libc_function(pipe2)(descriptors, flags), descriptors);
}

int wrapped_timerfd_create(int clock, int flags) {
    MAKE(libc_function(timerfd_create)(clock, flags));
}

int wrapped_dup(int descriptor) {
    MAKE(libc_function(dup)(descriptor));
}

static void closed_unless(unsigned first, unsigned last, bool failed) {
    if (failed)
        descriptors_not_closed(first, last);
    else
        descriptors_closed(first, last);
}

// Calls what replaces a descriptor: `to` ends, and what takes its place may be gRPC's.
#define REPLACE(from, to, call)                                                                    \
    do {                                                                                           \
        bool tracked = (from) != (to) && descriptors_tracked(to);                                  \
        if (unlikely(tracked))                                                                     \
            descriptors_closing((unsigned)(to), (unsigned)(to));                                   \
        bool opens = for_grpc(CALLER);                                                             \
        int opening = unlikely(opens) ? descriptors_opening() : -1;                                \
        int result = call;                                                                         \
        if (unlikely(tracked))                                                                     \
            closed_unless((unsigned)(to), (unsigned)(to), result < 0);                             \
        if (unlikely(opens))                                                                       \
            descriptors_opened(opening, result, -1);                                               \
        return result;                                                                             \
    } while (0)

int wrapped_dup2(int from, int to) {
    REPLACE(from, to, libc_function(dup2)(from, to));
}

int wrapped_dup3(int from, int to, int flags) {
    REPLACE(from, to, libc_function(dup3)(from, to, flags));
}

int wrapped_close(int descriptor) {
    if (likely(!descriptors_tracked(descriptor)))
        return libc_function(close)(descriptor);
    descriptors_closing((unsigned)descriptor, (unsigned)descriptor);
    int result = libc_function(close)(descriptor);
    descriptors_closed((unsigned)descriptor, (unsigned)descriptor);
    return result;
}

// The system call where libc lacks the function, for programs that look it up by name.
int wrapped_close_range(unsigned first, unsigned last, int flags) {
    bool closes = (flags & ONLY_MARK_CLOSE_ON_EXEC) == 0;
    if (closes)
        descriptors_closing(first, last);
    int (*real)(unsigned, unsigned, int) = libc_function(close_range);
    int result = libc_has(&libc_bound.close_range)
                     ? real(first, last, flags)
                     : (int)syscall(SYS_close_range, first, last, flags);
    if (closes)
        closed_unless(first, last, result != 0);
    return result;
}

void wrapped_closefrom(int first) {
    unsigned from = first < 0 ? 0 : (unsigned)first;
    descriptors_closing(from, ~0u);
    void (*real)(int) = libc_function(closefrom);
    if (libc_has(&libc_bound.closefrom))
        real(first);
    else if (syscall(SYS_close_range, from, ~0u, 0) != 0)
        descriptors_close_each(from);
    descriptors_closed(from, ~0u);
}

// c-ares serves the whole program; the sockets it opens while gRPC calls it are gRPC's.
#define RESOLVE(caller, call)                                                                      \
    do {                                                                                           \
        int more = core_images_cover(caller) || static_images_cover(caller);                       \
        resolving_for_grpc += more;                                                                \
        call;                                                                                      \
        resolving_for_grpc -= more;                                                                \
    } while (0)

void wrapped_ares_gethostbyname(void *a, void *b, long c, void *d, void *e) {
    RESOLVE(CALLER, ares_function(ares_gethostbyname)(a, b, c, d, e));
}

void wrapped_ares_query(void *a, void *b, long c, long d, void *e, void *f) {
    RESOLVE(CALLER, ares_function(ares_query)(a, b, c, d, e, f));
}

void wrapped_ares_search(void *a, void *b, long c, long d, void *e, void *f) {
    RESOLVE(CALLER, ares_function(ares_search)(a, b, c, d, e, f));
}

void wrapped_ares_getaddrinfo(void *a, void *b, void *c, void *d, void *e, void *f) {
    RESOLVE(CALLER, ares_function(ares_getaddrinfo)(a, b, c, d, e, f));
}

void wrapped_ares_process_fd(void *a, int b, int c) {
    RESOLVE(CALLER, ares_function(ares_process_fd)(a, b, c));
}
