// grpc_init and its kin. gRPC calls them for itself too; only the program's calls are counted.
#include "cores/state.h"
#include "entry/entry.h"
#include "life/first_use.h"

void wrapped_grpc_init(void) {
    grpc_enter(CALLER);
    bool inside = grpc_is_inside(CALLER);
    if (!inside) {
        initialisations_add();
        first_use_initialising(CALLER);
    }
    grpc.grpc_init();
    if (!inside)
        first_use_initialised();
}

// Whether a shutdown is to be passed on.
static bool count_shutdown(const void *caller) {
    grpc_enter_release(caller);
    bool passes =
        grpc_is_inside(caller) ? !grpc_is_inherited() : first_use_take_back_initialisation();
    return passes || !grpc_is_protected();
}

void wrapped_grpc_shutdown(void) {
    if (count_shutdown(CALLER))
        grpc.grpc_shutdown();
}

void wrapped_grpc_shutdown_blocking(void) {
    if (count_shutdown(CALLER))
        grpc.grpc_shutdown_blocking();
}

int wrapped_grpc_is_initialized(void) {
    grpc_enter_release(CALLER);
    if (grpc_is_inherited())
        return initialisations_count() > 0;
    return grpc.grpc_is_initialized();
}

// gRPC's own way to survive a fork, which stops its threads for it: where this library does that,
// nothing is left to do. The program may call these itself.
#define AT_FORK(name)                                                                              \
    void wrapped_##name(void) {                                                                    \
        grpc_enter_release(CALLER);                                                                \
        if (!grpc_is_protected())                                                                  \
            grpc.name();                                                                           \
    }

AT_FORK(grpc_prefork)
AT_FORK(grpc_postfork_parent)
AT_FORK(grpc_postfork_child)
AT_FORK(_Z12grpc_preforkv)
AT_FORK(_Z20grpc_postfork_parentv)
AT_FORK(_Z19grpc_postfork_childv)

#define TELL(name)                                                                                 \
    char *wrapped_grpc_channelz_get_##name(intptr_t number) {                                      \
        grpc_enter(CALLER);                                                                        \
        return grpc.grpc_channelz_get_##name(number);                                              \
    }

TELL(top_channels)
TELL(servers)
TELL(server)
TELL(channel)
TELL(subchannel)
TELL(socket)

char *wrapped_grpc_channelz_get_server_sockets(intptr_t server, intptr_t first, intptr_t maximum) {
    grpc_enter(CALLER);
    return grpc.grpc_channelz_get_server_sockets(server, first, maximum);
}

grpc_slice wrapped_grpc_dump_xds_configs(void) {
    grpc_enter(CALLER);
    return grpc.grpc_dump_xds_configs();
}
