// The plugin of several_cores that is linked with a gRPC which nobody has seen. It only makes
// channels, which remember the process that they were made in.
//
// LEFT_ALONE: the library can't be protected, so a child has its parent's channel.

#include "core_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void grpc_init(void);
void grpc_shutdown(void);
void *grpc_insecure_channel_create(const char *target, const void *arguments, void *reserved);
char *grpc_channel_get_target(void *channel);
void grpc_channel_destroy(void *channel);
const char *grpc_version_string(void);

static void *channel;
static pid_t opener;

static bool is_made_in(void *made, pid_t process) {
    char expected[64];
    char *target = made != NULL ? grpc_channel_get_target(made) : NULL;
    snprintf(expected, sizeof(expected), "unknown of %d", (int)process);
    bool passed = target != NULL && strcmp(target, expected) == 0;
    free(target);
    return passed;
}

static bool report(const char *who, bool passed) {
    printf("%s channel %s\n", who, passed ? "ok" : "FAILED");
    return passed;
}

static pid_t expected_process(void) {
#ifdef LEFT_ALONE
    return opener;
#else
    return getpid();
#endif
}

bool plugin_open(const char *who, const char *address) {
    (void)address;
    grpc_init();
    channel = grpc_insecure_channel_create("unknown", NULL, NULL);
    opener = getpid();
    return plugin_call(who);
}

bool plugin_call(const char *who) {
    return report(who, is_made_in(channel, expected_process()));
}

bool plugin_call_new(const char *who) {
    void *other = grpc_insecure_channel_create("unknown", NULL, NULL);
    bool passed = is_made_in(other, getpid());
    grpc_channel_destroy(other);
    return report(who, passed);
}

bool plugin_call_quietly(void) {
    return is_made_in(channel, opener);
}

const char *plugin_peer(void) {
    return "none";
}

void plugin_close(void) {
    grpc_channel_destroy(channel);
    grpc_shutdown();
}

const char *plugin_version(void) {
    return grpc_version_string();
}
