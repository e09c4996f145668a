// The part of the table of symbols (cores/symbols.h) that is about libc's functions: one line each.
//
//   INTERPOSED(result, name, parameters)  exported by this library, with a wrapper in entry/
//   CALLED(result, name, parameters)      called by this library only
#ifndef GRPCFORKSHIM_LOADER_LIBC_SYMBOLS_H
#define GRPCFORKSHIM_LOADER_LIBC_SYMBOLS_H

// clang-format off
#define LIBC_SYMBOLS(INTERPOSED, CALLED)                                                           \
    /* What makes descriptors */                                                                   \
    INTERPOSED(int, socket, (int domain, int type, int protocol))                                  \
    INTERPOSED(int, socketpair, (int domain, int type, int protocol, int descriptors[2]))          \
    INTERPOSED(int, accept, (int descriptor, struct sockaddr *address, socklen_t *length))         \
    INTERPOSED(int, accept4, (int descriptor, struct sockaddr *address, socklen_t *length, int flags)) \
    INTERPOSED(int, epoll_create1, (int flags))                                                    \
    INTERPOSED(int, eventfd, (unsigned initial, int flags))                                        \
    INTERPOSED(int, pipe, (int descriptors[2]))                                                    \
    INTERPOSED(int, pipe2, (int descriptors[2], int flags))                                        \
    INTERPOSED(int, timerfd_create, (int clock, int flags))                                        \
    INTERPOSED(int, dup, (int descriptor))                                                         \
    /* What ends them, and dup2, which does both */                                                \
    INTERPOSED(int, dup2, (int from, int to))                                                      \
    INTERPOSED(int, dup3, (int from, int to, int flags))                                           \
    INTERPOSED(int, close, (int descriptor))                                                       \
    INTERPOSED(int, close_range, (unsigned first, unsigned last, int flags))                       \
    INTERPOSED(void, closefrom, (int first))                                                       \
    /* So that our at-fork handlers are the first to be registered */                              \
    INTERPOSED(int, __register_atfork, (void (*prepare)(void), void (*parent)(void), void (*child)(void), void *image)) \
    /* So that its child is noticed at once: it runs no at-fork handlers */                        \
    INTERPOSED(pid_t, _Fork, (void))                                                               \
    /* So that a gRPC without symbols is noticed by its threads */                                 \
    INTERPOSED(int, pthread_setname_np, (pthread_t thread, const char *name))                      \
    /* So that another library in the place of one that is gone is not taken for that */           \
    INTERPOSED(int, dlclose, (void *handle))                                                       \
    /* So that libgrpc++ does not wait for threads that stayed in the parent */                    \
    INTERPOSED(int, pthread_join, (pthread_t thread, void **result))                               \
    /* Not linked with: before glibc 2.34 they are in libpthread and libdl */                      \
    CALLED(int, pthread_create, (pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument)) \
    CALLED(int, pthread_detach, (pthread_t thread))                                                \
    CALLED(void *, dlopen, (const char *path, int mode))                                           \
    /* So that gRPC's exit-time destructors run in the process that asked for them */              \
    INTERPOSED(int, __cxa_atexit, (void (*destructor)(void *), void *object, void *image))         \
    /* So that a child knows what was half registered when it was forked */                        \
    INTERPOSED(int, __cxa_at_quick_exit, (void (*function)(void *), void *image))                  \
    INTERPOSED(int, on_exit, (void (*function)(int status, void *object), void *object))           \
    /* So that a process that ends past exit() reports too */                                      \
    INTERPOSED(void, _exit, (int status))                                                          \
    INTERPOSED(void, _Exit, (int status))
// clang-format on

#endif
