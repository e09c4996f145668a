// Stands for a libgrpc that registers at-fork handlers of its own, as upstream's builds do where
// GRPC_ENABLE_FORK_SUPPORT is set, and Debian's does not; and a function that runs at exit, as the
// destructors of gRPC's static objects do. It has what the shim knows a core by.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void grpc_init(void);
void grpc_shutdown(void);
int grpc_is_initialized(void);
const char *grpc_version_string(void);

static int initialised;

static void say(const char *text) {
    if (write(STDOUT_FILENO, text, strlen(text)) < 0) {
        _exit(1);
    }
}

static void prepare(void) {
    say("gRPC prepare\n");
}

static void in_parent(void) {
    say("gRPC parent\n");
}

static void in_child(void) {
    say("gRPC child\n");
}

static void at_end(void) {
    say("gRPC end\n");
}

void grpc_init(void) {
    static int registered;
    if (!registered) {
        registered = 1;
        pthread_atfork(prepare, in_parent, in_child);
        atexit(at_end);
    }
    initialised++;
}

void grpc_shutdown(void) {
    initialised--;
}

int grpc_is_initialized(void) {
    return initialised > 0;
}

const char *grpc_version_string(void) {
    return "0";
}

// Without these the shim would take it for no gRPC. Nobody calls them.
#define UNUSED(name)                                                                               \
    void name(void);                                                                               \
    void name(void) {                                                                              \
    }

UNUSED(grpc_slice_from_copied_string)
UNUSED(grpc_lame_client_channel_create)
UNUSED(grpc_channel_create)
UNUSED(grpc_channel_create_call)
UNUSED(grpc_channel_destroy)
UNUSED(grpc_completion_queue_factory_lookup)
UNUSED(grpc_completion_queue_create)
UNUSED(grpc_completion_queue_next)
UNUSED(grpc_call_start_batch)
UNUSED(grpc_call_unref)
