// A program that takes gRPC's log into its own hands and switches a tracer on, by the API.
//
// settings ADDRESS

#include <grpc/support/log.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "client.h"

static struct client client;
static struct answer before;
static atomic_int lines;
static atomic_int traced;

static void take_line(gpr_log_func_args *line) {
    atomic_fetch_add(&lines, 1);
    if (strstr(line->message, "grpc_call_start_batch(") != NULL) {
        atomic_fetch_add(&traced, 1);
    }
}

static int child(void *argument) {
    (void)argument;
    atomic_store(&lines, 0);
    atomic_store(&traced, 0);
    bool passed = report_child_unary("child", &client, &before);
    printf("child own_log %s\n", atomic_load(&lines) > 0 ? "ok" : "FAILED");
    printf("child tracer %s\n", atomic_load(&traced) > 0 ? "ok" : "FAILED");
    return passed && atomic_load(&lines) > 0 && atomic_load(&traced) > 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: settings ADDRESS\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    grpc_init();
    gpr_set_log_function(take_line);
    gpr_set_log_verbosity(GPR_LOG_SEVERITY_INFO);
    grpc_tracer_set_enabled("api", 1);
    return call_fork_call(argv[1], &client, &before, child);
}
