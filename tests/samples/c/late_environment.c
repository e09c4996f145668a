// Sets its environment after gRPC was loaded and before it is initialised, as a program does that
// reads a file of settings first. What gRPC says then is standard error's.
//
// late_environment FIRST
//
//   FIRST   what the program calls of gRPC before: nothing, lookup, verbosity, credentials, tls,
//   quota,
//           version, slice, initialized
//   silent  the same as nothing; and gRPC is not used at all

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <grpc/slice.h>
#include <grpc/support/log.h>

#include "client.h"

static void look_up(void) {
    const grpc_completion_queue_attributes attributes = {.version = 1,
                                                         .cq_completion_type = GRPC_CQ_PLUCK};
    grpc_completion_queue_factory_lookup(&attributes);
}

static void make_credentials(void) {
    grpc_channel_credentials *credentials = open_credentials(NULL);
    if (credentials != NULL) {
        grpc_channel_credentials_release(credentials);
    }
}

static void make_tls_credentials(void) {
    grpc_channel_credentials_release(grpc_ssl_credentials_create("", NULL, NULL, NULL));
}

static void make_quota(void) {
    grpc_resource_quota_unref(grpc_resource_quota_create("quota"));
}

static void make_slice(void) {
    grpc_slice_unref(grpc_slice_from_copied_string("slice"));
}

static void ask_version(void) {
    printf("version %s\n", grpc_version_string());
}

static void ask_initialized(void) {
    printf("initialized %d\n", grpc_is_initialized());
}

static const struct {
    const char *name;
    void (*call)(void);
} firsts[] = {
    {"lookup", look_up},
    {"credentials", make_credentials},
    {"tls", make_tls_credentials},
    {"quota", make_quota},
    {"slice", make_slice},
    {"version", ask_version},
    {"initialized", ask_initialized},
};

static void begin(const char *first) {
    for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
        if (strcmp(firsts[i].name, first) == 0) {
            firsts[i].call();
        }
    }
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: late_environment FIRST\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    begin(argv[1]);
    fprintf(stderr, "loaded\n");
    if (strcmp(argv[1], "silent") == 0) {
        return 0;
    }
    setenv("GRPC_VERBOSITY", "debug", 1);
    setenv("GRPC_TRACE", "api", 1);
    setenv("GRPC_POLL_STRATEGY", "poll", 1);
#if HAVE_GPR_SET_LOG_VERBOSITY
    // What it is told in this way is what counts.
    if (strcmp(argv[1], "verbosity") == 0) {
        gpr_set_log_verbosity(GPR_LOG_SEVERITY_INFO);
    }
#endif
    grpc_init();
    open_channel("localhost:1", NULL, NULL);
    fprintf(stderr, "made\n");
    // How far gRPC's threads get that end it is chance.
    _exit(0);
}
