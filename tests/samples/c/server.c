// A server on the C core with one request outstanding, in a process that forks.
//
// server

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

#define TAG_REQUEST ((void *)1)
#define TAG_SHUTDOWN ((void *)2)
#define TAG_CLIENT ((void *)3)

static grpc_server *server;
static grpc_completion_queue *queue;
static grpc_call *requested;
static grpc_call_details details;
static grpc_metadata_array metadata;
static char address[64];

static int add_port(void) {
#ifdef HAVE_GRPC_CHANNEL_CREATE
    grpc_server_credentials *credentials = grpc_insecure_server_credentials_create();
    int port = grpc_server_add_http2_port(server, "127.0.0.1:0", credentials);
    grpc_server_credentials_release(credentials);
    return port;
#else
    return grpc_server_add_insecure_http2_port(server, "127.0.0.1:0");
#endif
}

static bool start(void) {
    grpc_init();
    server = grpc_server_create(NULL, NULL);
    queue = grpc_completion_queue_create_for_next(NULL);
    grpc_server_register_completion_queue(server, queue, NULL);
    int port = add_port();
    snprintf(address, sizeof(address), "127.0.0.1:%d", port);
    grpc_server_start(server);
    grpc_call_details_init(&details);
    grpc_metadata_array_init(&metadata);
    return port > 0 && grpc_server_request_call(server, &requested, &details, &metadata, queue,
                                                queue, TAG_REQUEST) == GRPC_CALL_OK;
}

// The client's call is on the same queue: gRPC 1.30 connects only while somebody polls for it.
static grpc_event next_of_server(void) {
    grpc_event event;
    do {
        event = grpc_completion_queue_next(queue, deadline_in(CALL_SECONDS * 1000), NULL);
    } while (event.type == GRPC_OP_COMPLETE && event.tag == TAG_CLIENT);
    return event;
}

static bool report_event(const char *who, const char *what, void *tag, int success) {
    grpc_event event = next_of_server();
    bool expected = event.type == GRPC_OP_COMPLETE && event.tag == tag && event.success == success;
    printf("%s %s %s\n", who, what, expected ? "ok" : "FAILED");
    return expected;
}

static bool end(const char *who) {
    grpc_server_shutdown_and_notify(server, queue, TAG_SHUTDOWN);
    bool passed = report_event(who, "shutdown", TAG_SHUTDOWN, 1);
    grpc_server_destroy(server);
    grpc_completion_queue_shutdown(queue);
    grpc_event event = next_of_server();
    printf("%s queue_ends %s\n", who, event.type == GRPC_QUEUE_SHUTDOWN ? "ok" : "FAILED");
    grpc_completion_queue_destroy(queue);
    grpc_shutdown();
    return passed && event.type == GRPC_QUEUE_SHUTDOWN;
}

static int child(void *argument) {
    (void)argument;
    bool passed = report_event("child", "request_fails", TAG_REQUEST, 0);
    passed = grpc_server_request_call(server, &requested, &details, &metadata, queue, queue,
                                      TAG_REQUEST) == GRPC_CALL_OK &&
             report_event("child", "new_request_fails", TAG_REQUEST, 0) && passed;
    return end("child") && passed ? 0 : 1;
}

// The request that was outstanding at fork is still the parent's.
static bool serve_one(void) {
    grpc_channel *channel = open_channel(address, NULL, NULL);
    grpc_slice method = grpc_slice_from_static_string("/samples.Echo/Unary");
    grpc_call *call =
        grpc_channel_create_call(channel, NULL, GRPC_PROPAGATE_DEFAULTS, queue, method, NULL,
                                 deadline_in(CALL_SECONDS * 1000), NULL);
    grpc_op operation = {.op = GRPC_OP_SEND_INITIAL_METADATA};
    grpc_call_start_batch(call, &operation, 1, TAG_CLIENT, NULL);
    bool passed = report_event("parent", "request_arrives", TAG_REQUEST, 1);
    if (passed) {
        grpc_call_cancel(requested, NULL);
        grpc_call_unref(requested);
    }
    grpc_call_cancel(call, NULL);
    grpc_call_unref(call);
    grpc_channel_destroy(channel);
    return passed;
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    bool passed = start();
    passed = run_in_child(child, NULL) == 0 && passed;
    passed = serve_one() && passed;
    return end("parent") && passed ? 0 : 1;
}
