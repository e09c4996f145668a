#include "languages/cplusplus/channel.h"

#include "base/compiler.h"
#include "cores/state.h"
#include "life/first_use.h"
#include "objects/channel.h"
#include "objects/channel_arguments.h"
#include "objects/recipe.h"
#include "objects/revival.h"
#include "operations/server.h"

// grpc_inproc_channel_create: grpc::Server::InProcessChannel.
static grpc_channel *create_in_process(grpc_server *server, const grpc_channel_args *arguments,
                                       void *reserved) {
    grpc_channel *channel;
    struct core *core = grpc_enter(CALLER);
    if (server_is_inherited(server)) {
        channel = channel_make_parted(core);
    } else {
        grpc_channel_args *real = channel_arguments_begin_use(arguments);
        channel = cplusplus_functions_of(core)->create_in_process(server, real, reserved);
        channel_arguments_end_use(real, arguments);
    }
    if (!core_records(core, CALLER))
        return channel;
    return channel_record(
        core, channel,
        &(struct channel_recipe){.constructor = CHANNEL_IN_PROCESS, .target = "inproc"});
}

// What it is given is an object of C++, which can't be copied here.
static uintptr_t set_crl_provider(void *options, void *provider) {
    struct core *core = grpc_enter(CALLER);
    uintptr_t result = cplusplus_functions_of(core)->set_crl_provider(
        object_translate(OBJECT_TLS_OPTIONS, options), provider);
    recipe_forget(OBJECT_TLS_OPTIONS, options);
    return result;
}

static const struct binding bindings[] = {
    {.function = "grpc_inproc_channel_create",
     .wrapper = BINDING_ADDRESS(create_in_process),
     .real = BINDING_REAL(create_in_process)},
    {.function = "grpc_tls_credentials_options_set_crl_provider",
     .wrapper = BINDING_ADDRESS(set_crl_provider),
     .real = BINDING_REAL(set_crl_provider)},
};

const struct binding_table cplusplus_channel_bindings = {bindings, ARRAY_LENGTH(bindings)};
