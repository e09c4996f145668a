// Forks inside of gRPC: in the plugin that gRPC asks for a call's metadata, with whatever gRPC
// keeps for that thread (its execution context, the activity that it polls) set.
//
// fork_in_plugin ADDRESS CERTIFICATES
//
// The child calls there, on the channel that it inherited and on a new one, and ends. The parent's
// call, of which the plugin is a part, goes on.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

static const char *address, *certificates;
static struct client client;
static struct answer before;
static pid_t child = -1;
static int asked;

static int call_in_child(void) {
    bool passed = report_child_unary("child", &client, &before);
    struct client own = {.channel = open_channel(address, certificates, NULL),
                         .queue = grpc_completion_queue_create_for_pluck(NULL)};
    passed = report_child_unary("child new", &own, &before) && passed;
    return report("child", "calls", passed) ? 0 : 1;
}

static int get_metadata(void *state, grpc_auth_metadata_context context,
                        grpc_credentials_plugin_metadata_cb callback, void *user_data,
                        grpc_metadata metadata[GRPC_METADATA_CREDENTIALS_PLUGIN_SYNC_MAX],
                        size_t *count, grpc_status_code *status, const char **details) {
    (void)state;
    (void)context;
    (void)callback;
    (void)user_data;
    (void)metadata;
    asked++;
    fflush(NULL);
    child = fork();
    if (child == -1) {
        fail("fork");
    }
    if (child == 0) {
        alarm(CALL_SECONDS);
        int result = call_in_child();
        fflush(NULL);
        _exit(result);
    }
    *count = 0;
    *status = GRPC_STATUS_OK;
    *details = NULL;
    return 1; // at once
}

static void destroy(void *state) {
    (void)state;
}

static char *debug_string(void *state) {
    (void)state;
    return strdup("forks");
}

static grpc_call_credentials *open_plugin(void) {
    grpc_metadata_credentials_plugin plugin = {
        .get_metadata = get_metadata,
        .debug_string = debug_string,
        .destroy = destroy,
        .type = "forks",
    };
    return grpc_metadata_credentials_create_from_plugin(plugin, GRPC_PRIVACY_AND_INTEGRITY, NULL);
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: fork_in_plugin ADDRESS CERTIFICATES\n");
        return 2;
    }
    address = argv[1];
    certificates = argv[2];
    setvbuf(stdout, NULL, _IOLBF, 0);
    grpc_init();
    client.channel = open_channel(address, certificates, NULL);
    client.queue = grpc_completion_queue_create_for_pluck(NULL);
    bool passed = report_unary("parent", &client, "before", &before);

    // The same connection: the credentials are not the channel's but the call's.
    grpc_call_credentials *credentials = open_plugin();
    struct call call;
    open_call(&call, client.channel, client.queue, METHOD_UNARY);
    passed = grpc_call_set_credentials(call.call, credentials) == GRPC_CALL_OK && passed;
    grpc_call_credentials_release(credentials);
    struct request request = {.text = "asks the plugin"};
    if (start_unary(&call, &request, &call) != GRPC_CALL_OK) {
        return 1;
    }
    grpc_event event =
        grpc_completion_queue_pluck(client.queue, &call, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
    passed = report("parent", "call_with_plugin",
                    event.success && call.status == GRPC_STATUS_OK && asked == 1) &&
             passed;
    struct reply reply;
    passed = take_reply(&call, &reply) && passed;
    close_call(&call);
    int status = child > 0 ? wait_for(child) : 1;
    printf("child exit %d\n", status);
    passed = report_parent_again(&client, &before) && passed;
    grpc_channel_destroy(client.channel);
    grpc_completion_queue_shutdown(client.queue);
    grpc_completion_queue_destroy(client.queue);
    grpc_shutdown();
    return passed && status == 0 ? 0 : 1;
}
