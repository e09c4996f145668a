// Stands for a libgrpc: it has all functions of gRPC's that the shim knows, and each of them says
// that it is called. A few do something besides, so that the shim finds a gRPC as it knows it.
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "cores/symbols.h"

static int initialised; // its state
static char version[] = "0";

static void say(const char *text) {
    if (write(STDOUT_FILENO, text, strlen(text)) < 0)
        _exit(1);
}

static void *answer(const char *name) {
    say("gRPC ");
    say(name);
    say("\n");
    if (strcmp(name, "grpc_init") == 0)
        initialised++;
    if (strcmp(name, "grpc_version_string") == 0)
        return version;
    if (strcmp(name, "grpc_is_initialized") == 0)
        return initialised > 0 ? version : NULL;
    return NULL;
}

// What they take and give doesn't matter: it is in registers, and nobody but the shim looks at it.
#define TELLING(result, name, parameters)                                                          \
    void *name(void);                                                                              \
    void *name(void) {                                                                             \
        return answer(#name);                                                                      \
    }

GRPC_SYMBOLS(TELLING, TELLING)
