// The plugin of late_loader: it alone is linked with gRPC.

#include <stdio.h>

#include "client.h"

struct plugin_state {
    struct client client;
    struct answer before;
};

static struct plugin_state state;

// What the loader looks up by name; there is no header that both share, as with real plugins.
bool plugin_open(const char *address);
bool plugin_call(const char *who);
void plugin_close(void);

bool plugin_open(const char *address) {
    grpc_init();
    state.client.channel = open_channel(address, NULL, NULL);
    state.client.queue = grpc_completion_queue_create_for_pluck(NULL);
    return report_unary("parent", &state.client, "plugin", &state.before);
}

bool plugin_call(const char *who) {
    return who[0] == 'p' ? report_parent_again(&state.client, &state.before)
                         : report_child_unary(who, &state.client, &state.before);
}

void plugin_close(void) {
    grpc_channel_destroy(state.client.channel);
    grpc_completion_queue_shutdown(state.client.queue);
    grpc_completion_queue_destroy(state.client.queue);
    grpc_shutdown();
}
