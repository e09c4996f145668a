#include "core_plugin.h"

#include "client.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct {
    const char *address;
    struct client client;
    // Whose connection it is that `peer` tells of.
    pid_t process;
    char peer[PLUGIN_PEER_SIZE];
    char parent_peer[PLUGIN_PEER_SIZE];
} state;

static bool is_parents(const char *peer) {
    return strcmp(peer, state.process == getpid() ? state.parent_peer : state.peer) == 0;
}

static bool refuse(const char *who, const char *why) {
    printf("%s %s\n", who, why);
    return false;
}

static bool accept_peer(const char *who, const char *peer) {
    if (is_parents(peer))
        return refuse(who, "connection of the parent");
    if (state.process == getpid())
        return strcmp(peer, state.peer) == 0 || refuse(who, "connection lost");
    snprintf(state.parent_peer, sizeof(state.parent_peer), "%s", state.peer);
    snprintf(state.peer, sizeof(state.peer), "%s", peer);
    state.process = getpid();
    return true;
}

bool plugin_open(const char *who, const char *address) {
    grpc_init();
    state.address = address;
    state.process = 0;
    state.peer[0] = '\0';
    state.client.channel = open_channel(address, NULL, NULL);
    state.client.queue = grpc_completion_queue_create_for_pluck(NULL);
    return plugin_call(who);
}

bool plugin_call(const char *who) {
    struct answer answer;
    return report_unary(who, &state.client, who, &answer) && accept_peer(who, answer.reply.peer);
}

static void destroy_queue(grpc_completion_queue *queue) {
    grpc_completion_queue_shutdown(queue);
    grpc_completion_queue_destroy(queue);
}

bool plugin_call_new(const char *who) {
    struct client client = {.channel = open_channel(state.address, NULL, NULL),
                            .queue = grpc_completion_queue_create_for_pluck(NULL)};
    struct answer answer;
    bool passed = report_unary(who, &client, who, &answer);
    grpc_channel_destroy(client.channel);
    destroy_queue(client.queue);
    // It may be that of the other channel.
    return passed && (!is_parents(answer.reply.peer) || refuse(who, "connection of the parent"));
}

bool plugin_call_quietly(void) {
    struct client client = {.channel = state.client.channel,
                            .queue = grpc_completion_queue_create_for_pluck(NULL)};
    struct answer answer;
    bool passed = call_unary(&client, "from a thread", &answer);
    destroy_queue(client.queue);
    if (!passed) {
        printf("thread status %d details %s\n", (int)answer.status, answer.details);
        return false;
    }
    return strcmp(answer.reply.peer, state.peer) == 0 || refuse("thread", "connection lost");
}

const char *plugin_peer(void) {
    return state.peer;
}

void plugin_close(void) {
    grpc_channel_destroy(state.client.channel);
    destroy_queue(state.client.queue);
    grpc_shutdown();
}

const char *plugin_version(void) {
    return grpc_version_string();
}
