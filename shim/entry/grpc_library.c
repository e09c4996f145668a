// grpc_init and its kin. gRPC calls them for itself too; only the program's calls are counted.
#include "cores/state.h"
#include "entry/entry.h"
#include "life/finding.h"
#include "life/first_use.h"

void wrapped_grpc_init(void) {
    struct core *core = grpc_enter(CALLER);
    bool inside = cores_made_call(CALLER);
    if (!inside && unlikely(finding_notice_caller(CALLER)))
        core = grpc_enter(CALLER);
    if (!inside) {
        core_add_initialisation(core);
        first_use_initialising(core, CALLER);
    }
    core->grpc.grpc_init();
    if (!inside)
        first_use_initialised(core);
}

// The core that a shutdown is to be passed on to, or NULL.
static const struct core *count_shutdown(const void *caller) {
    struct core *core = grpc_enter_release(caller);
    bool passes =
        cores_made_call(caller) ? !grpc_is_inherited() : first_use_take_back_initialisation(core);
    return passes || !core_is_protected(core) ? core : NULL;
}

void wrapped_grpc_shutdown(void) {
    const struct core *core = count_shutdown(CALLER);
    if (core != NULL)
        core->grpc.grpc_shutdown();
}

void wrapped_grpc_shutdown_blocking(void) {
    const struct core *core = count_shutdown(CALLER);
    if (core != NULL)
        core->grpc.grpc_shutdown_blocking();
}

int wrapped_grpc_is_initialized(void) {
    const struct core *core = grpc_enter_release(CALLER);
    if (grpc_is_inherited() && core_is_protected(core))
        return core_initialisations(core) > 0;
    return core->grpc.grpc_is_initialized();
}

// gRPC's own way to survive a fork, which stops its threads for it: where this library does that,
// nothing is left to do. The program may call these itself.
#define AT_FORK(name)                                                                              \
    void wrapped_##name(void) {                                                                    \
        struct core *core = grpc_enter_release(CALLER);                                            \
        if (!core_is_protected(core))                                                              \
            core->grpc.name();                                                                     \
    }

AT_FORK(grpc_prefork)
AT_FORK(grpc_postfork_parent)
AT_FORK(grpc_postfork_child)
AT_FORK(_Z12grpc_preforkv)
AT_FORK(_Z20grpc_postfork_parentv)
AT_FORK(_Z19grpc_postfork_childv)

#define TELL(name)                                                                                 \
    char *wrapped_grpc_channelz_get_##name(intptr_t number) {                                      \
        struct core *core = grpc_enter(CALLER);                                                    \
        return core->grpc.grpc_channelz_get_##name(number);                                        \
    }

TELL(top_channels)
TELL(servers)
TELL(server)
TELL(channel)
TELL(subchannel)
TELL(socket)

char *wrapped_grpc_channelz_get_server_sockets(intptr_t server, intptr_t first, intptr_t maximum) {
    struct core *core = grpc_enter(CALLER);
    return core->grpc.grpc_channelz_get_server_sockets(server, first, maximum);
}

grpc_slice wrapped_grpc_dump_xds_configs(void) {
    struct core *core = grpc_enter(CALLER);
    return core->grpc.grpc_dump_xds_configs();
}
