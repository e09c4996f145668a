// A program that changes its environment after it has used gRPC, and forks.
//
// environment_change ADDRESS [NAME=VALUE]...
//
// With SAMPLE_DEFAULT_ROOTS in its environment its channel is one of TLS with gRPC's default roots.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

static const char *address;
static struct client client;
static struct answer before;

#ifdef HAVE_GRPC_CHANNEL_CREATE
static grpc_channel *open_default_channel(void) {
    grpc_channel_credentials *credentials = grpc_ssl_credentials_create(NULL, NULL, NULL, NULL);
    grpc_channel *channel = grpc_channel_create(address, credentials, NULL);
    grpc_channel_credentials_release(credentials);
    return channel;
}
#else
static grpc_channel *open_default_channel(void) {
    grpc_channel_credentials *credentials = grpc_ssl_credentials_create(NULL, NULL, NULL, NULL);
    grpc_channel *channel = grpc_secure_channel_create(credentials, address, NULL, NULL);
    grpc_channel_credentials_release(credentials);
    return channel;
}
#endif

static int child(void *argument) {
    (void)argument;
    return report_unary("child", &client, "from the child", &before) ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: environment_change ADDRESS [NAME=VALUE]...\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    address = argv[1];
    grpc_init();
    client.channel = getenv("SAMPLE_DEFAULT_ROOTS") != NULL ? open_default_channel()
                                                            : open_channel(address, NULL, NULL);
    client.queue = grpc_completion_queue_create_for_pluck(NULL);
    report_unary("parent", &client, "from the parent", &before);
    for (int i = 2; i < argc; i++) {
        if (putenv(argv[i]) != 0) {
            fail("putenv");
        }
    }
    return run_in_child(child, NULL) == 0 ? 0 : 1;
}
