// A daemon that opens its channels while it still has its privileges and the terminal, and then
// goes into the background.
//
// plain_daemon ADDRESS [CERTIFICATES]

#include <stdio.h>
#include <unistd.h>

#include "client.h"
#include "daemonise.h"

#define CHANNELS 3

static struct client clients[CHANNELS];
static struct answer answers[CHANNELS];

static void open_clients(const char *address, const char *certificates) {
    for (int i = 0; i < CHANNELS; i++) {
        clients[i].channel = open_channel(address, certificates, NULL);
        // One queue for all, as programs with an event loop have it.
        clients[i].queue = i == 0 ? grpc_completion_queue_create_for_pluck(NULL) : clients[0].queue;
    }
}

static bool call_all(const char *who) {
    bool passed = true;
    for (int i = 0; i < CHANNELS; i++) {
        passed = report_unary(who, &clients[i], who, &answers[i]) && passed;
    }
    return passed;
}

static void close_clients(void) {
    for (int i = 0; i < CHANNELS; i++) {
        grpc_channel_destroy(clients[i].channel);
    }
    grpc_completion_queue_shutdown(clients[0].queue);
    grpc_completion_queue_destroy(clients[0].queue);
    grpc_shutdown();
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: %s ADDRESS [CERTIFICATES]\n", argv[0]);
        return 2;
    }
    grpc_init();
    open_clients(argv[1], argc > 2 ? argv[2] : NULL);
    if (!call_all("parent")) {
        return 1;
    }

    FILE *daemon;
    daemonise(&daemon);
    if (daemon != NULL) {
        int result = relay_daemon(daemon);
        return report_unary("parent after", &clients[0], "after", &answers[0]) ? result : 1;
    }

    printf("daemon user %d\n", (int)getuid());
    bool passed = call_all("daemon") && call_all("daemon again");
    close_clients();
    printf("done %d\n", passed ? 0 : 1);
    return passed ? 0 : 1;
}
