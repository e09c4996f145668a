// A gRPC that nobody has seen: as much of its API as a client needs that makes a channel and asks
// it for its target. A channel remembers the process that it was made in.
//
// How it is compiled decides what is odd about it:
//   OTHER_CODE       there is something else in the library, too
//   MORE_DATA        part of its data is in a segment of its own
//   STATE_ELSEWHERE  its whole state is in another library, STATE_PARTLY a part of it
//   STATE_UNIQUE     part of its state is a variable of which the process has one, in the library
//                    that was loaded first
//   LACKING          a function is missing
//   STATICS          it has objects of static storage that are destroyed at the end of a process
//   REGISTERS        its constructor registers a destructor, as that of each library in C++ does:
//   by this a
//                    core is noticed that comes in beside another one
//   PART             it is the other half of a gRPC in two libraries; SPLIT is the first one

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct channel {
    char target[64];
};

#if defined(PART)
void grpc_channel_destroy(struct channel *channel) {
    free(channel);
}
#else

#if defined(STATE_ELSEWHERE) || defined(STATE_PARTLY)
extern int unknown_state;
#define INITIALISED unknown_state
#elif defined(STATE_UNIQUE)
#include "unique.h"
#define INITIALISED unknown_unique
#else
static int initialised;
#define INITIALISED initialised
#endif

#if defined(MORE_DATA)
// The medium code model's large data, which the linker puts into another segment.
__asm__(".section .ldata,\"awl\",@progbits\n"
        ".globl unknown_large\n"
        ".hidden unknown_large\n"
        "unknown_large: .zero 4096\n"
        ".previous\n");
#endif

#if defined(OTHER_CODE)
int plugin_start(void) {
    return 0;
}
#endif

#if defined(REGISTERS)
extern int __cxa_atexit(void (*destructor)(void *), void *object, void *image);
extern char __dso_handle[] __attribute__((visibility("hidden")));

static void destroy_nothing(void *what) {
    (void)what;
}

__attribute__((constructor)) static void construct(void) {
    __cxa_atexit(destroy_nothing, NULL, __dso_handle);
}
#endif

#if defined(STATICS)
#include "destroy.h"

// What a compiler makes of C++.
extern int __cxa_atexit(void (*destructor)(void *), void *object, void *image);
extern char __dso_handle[] __attribute__((visibility("hidden")));

static void destroy(void *what) {
    unknown_destroy(what);
}

__attribute__((constructor)) static void construct(void) {
    __cxa_atexit(destroy, "loaded", __dso_handle);
    __cxa_atexit(unknown_destroy, "loaded foreign", __dso_handle);
}

static void construct_at_first_use(void) {
    static int constructed;
    if (constructed++ == 0) {
        __cxa_atexit(destroy, "used", __dso_handle);
        __cxa_atexit(unknown_destroy, "used foreign", __dso_handle);
    }
}
#else
static void construct_at_first_use(void) {
}
#endif

// Initialised twice it does what gRPC would do with locks of threads that are not there.
static int threads;

void grpc_init(void) {
#if !defined(STATE_ELSEWHERE)
    if (INITIALISED == 0 && threads++ > 0) {
        abort();
    }
#endif
    INITIALISED++;
    construct_at_first_use();
}

void grpc_shutdown(void) {
    INITIALISED--;
    threads = 0;
}

int grpc_is_initialized(void) {
    return INITIALISED > 0;
}

const char *grpc_version_string(void) {
    return "99.0.0";
}

struct channel *grpc_insecure_channel_create(const char *target, const void *arguments,
                                             void *reserved) {
    (void)arguments;
    (void)reserved;
    struct channel *channel = malloc(sizeof(*channel));
    if (channel != NULL) {
        snprintf(channel->target, sizeof(channel->target), "%s of %d", target, (int)getpid());
    }
    return channel;
}

char *grpc_channel_get_target(const struct channel *channel) {
    return strdup(channel->target);
}

#if defined(SPLIT)
extern void grpc_channel_destroy(struct channel *channel);
// So that the other half is loaded along with this one.
void (*const grpc_other_half)(struct channel *channel) = grpc_channel_destroy;
#else
void grpc_channel_destroy(struct channel *channel) {
    free(channel);
}
#endif

// No client of this library calls these.
#define UNUSED(name)                                                                               \
    void name(void);                                                                               \
    void name(void) {                                                                              \
        abort();                                                                                   \
    }
UNUSED(grpc_slice_from_copied_string)
UNUSED(grpc_lame_client_channel_create)
UNUSED(grpc_channel_create_call)
UNUSED(grpc_completion_queue_factory_lookup)
UNUSED(grpc_completion_queue_create)
#if !defined(LACKING)
UNUSED(grpc_completion_queue_next)
#endif
UNUSED(grpc_call_start_batch)
UNUSED(grpc_call_unref)
#endif
