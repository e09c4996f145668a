// A program that switches a tracer of gRPC's on, by the API. What its child's gRPC logs on standard
// error is the child's to look at.
//
// tracing ADDRESS

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

static struct client client;
static struct answer before;

static bool contains(FILE *log, const char *text) {
    char line[4096];
    bool found = false;
    rewind(log);
    while (fgets(line, sizeof(line), log) != NULL) {
        found = found || strstr(line, text) != NULL;
    }
    return found;
}

static int child(void *argument) {
    (void)argument;
    FILE *log = tmpfile();
    if (log == NULL || dup2(fileno(log), STDERR_FILENO) < 0) {
        fail("tmpfile");
    }
    bool passed = report_child_unary("child", &client, &before);
    bool traced = contains(log, "grpc_call_start_batch(");
    printf("child tracer %s\n", traced ? "ok" : "FAILED");
    return passed && traced ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: tracing ADDRESS\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    grpc_init();
    grpc_tracer_set_enabled("api", 1);
    return call_fork_call(argv[1], &client, &before, child);
}
