// What a program can hold of gRPC besides channels, queues and calls, before and after a fork.
//
// objects ADDRESS SUBJECT [CERTIFICATES]

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/census.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>

#include "client.h"

static const char *address;
static const char *certificates;
static struct client client;
static struct answer before;

static void *tag(intptr_t number) {
    return (void *)number;
}

// --- connectivity -------------------------------------------------------------------------------

static grpc_completion_queue *watch_queue;

// True if the next event of the queue is this one.
static bool expect_event(const char *who, const char *what, intptr_t number, int success) {
    grpc_event event = grpc_completion_queue_next(watch_queue, deadline_in(30000), NULL);
    printf("%s %s type %d tag %d success %d\n", who, what, (int)event.type,
           (int)(intptr_t)event.tag, event.success);
    return event.type == GRPC_OP_COMPLETE && event.tag == tag(number) && event.success == success;
}

static void watch(grpc_connectivity_state last, int milliseconds, intptr_t number) {
    grpc_channel_watch_connectivity_state(client.channel, last, deadline_in(milliseconds),
                                          watch_queue, tag(number));
}

// Until the channel is connected or a watch comes back as timed out.
static bool wait_until_ready(const char *who) {
    grpc_connectivity_state state = grpc_channel_check_connectivity_state(client.channel, 1);
    for (intptr_t number = 100; state != GRPC_CHANNEL_READY; number++) {
        watch(state, 30000, number);
        if (!expect_event(who, "change", number, 1)) {
            return report(who, "ready", false);
        }
        state = grpc_channel_check_connectivity_state(client.channel, 1);
    }
    return report(who, "ready", true);
}

static int child_of_connectivity(void *argument) {
    (void)argument;
    // Two were pending; they come back in any order.
    intptr_t sum = 0;
    for (int i = 0; i < 2; i++) {
        grpc_event event = grpc_completion_queue_next(watch_queue, deadline_in(30000), NULL);
        sum += event.type == GRPC_OP_COMPLETE && !event.success ? (intptr_t)event.tag : 10;
    }
    bool passed = report("child", "inherited", sum == 1 + 2);
    bool supported = grpc_channel_support_connectivity_watcher(client.channel) != 0;
    passed = report("child", "supported", supported) && passed;
    // Nothing is connected before the child asks for it.
    grpc_connectivity_state state = grpc_channel_check_connectivity_state(client.channel, 0);
    passed = report("child", "idle", state == GRPC_CHANNEL_IDLE) && passed;
#ifdef HAVE_CONNECTIVITY_WATCHERS
    int watchers = grpc_channel_num_external_connectivity_watchers(client.channel);
    passed = report("child", "no_watchers", watchers == 0) && passed;
#endif
    passed = wait_until_ready("child") && passed;
    // One that times out.
    watch(GRPC_CHANNEL_READY, 50, 3);
    passed = expect_event("child", "late", 3, 0) && passed;
    return report_child_unary("child", &client, &before) && passed ? 0 : 1;
}

static bool run_connectivity(void) {
    watch_queue = grpc_completion_queue_create_for_next(NULL);
    bool passed = wait_until_ready("parent");
    watch(GRPC_CHANNEL_READY, 1000, 1);
    watch(GRPC_CHANNEL_READY, 2000, 2);
    passed = run_in_child(child_of_connectivity, NULL) == 0 && passed;
    passed = expect_event("parent", "late", 1, 0) && passed;
    passed = expect_event("parent", "late", 2, 0) && passed;
    drain_and_destroy(watch_queue);
    return passed;
}

// --- channelz -----------------------------------------------------------------------------------

static bool tells_of_channel(const char *who) {
    char *text = grpc_channelz_get_top_channels(0);
    bool told = text != NULL && strstr(text, address) != NULL;
    gpr_free(text);
    return report(who, "told", told);
}

static int child_of_channelz(void *argument) {
    (void)argument;
    // The first use of gRPC: nothing of the parent's is in use here.
    char *text = grpc_channelz_get_top_channels(0);
    bool passed = report("child", "told_nothing", text != NULL && strstr(text, address) == NULL);
    gpr_free(text);
    passed = report_child_unary("child", &client, &before) && passed;
    return tells_of_channel("child") && passed ? 0 : 1;
}

static bool run_channelz(void) {
    bool passed = tells_of_channel("parent");
    passed = run_in_child(child_of_channelz, NULL) == 0 && passed;
    return tells_of_channel("parent") && passed;
}

// --- census -------------------------------------------------------------------------------------

static char contexts[3];

static struct census_context *context(int number) {
    return (struct census_context *)&contexts[number];
}

static int child_of_census(void *argument) {
    const struct call *open = argument;
    bool passed =
        report("child", "inherited", grpc_census_call_get_context(open->call) == context(1));
    grpc_census_call_set_context(open->call, context(2));
    passed = report("child", "changed", grpc_census_call_get_context(open->call) == context(2)) &&
             passed;
    struct call own;
    open_call(&own, client.channel, client.queue, METHOD_UNARY);
    grpc_census_call_set_context(own.call, context(0));
    passed = report("child", "own", grpc_census_call_get_context(own.call) == context(0)) && passed;
    close_call(&own);
    return report_child_unary("child", &client, &before) && passed ? 0 : 1;
}

static bool run_census(void) {
    struct call open;
    open_call(&open, client.channel, client.queue, METHOD_UNARY);
    grpc_census_call_set_context(open.call, context(1));
    bool passed = run_in_child(child_of_census, &open) == 0;
    passed =
        report("parent", "kept", grpc_census_call_get_context(open.call) == context(1)) && passed;
    close_call(&open);
    return passed;
}

// --- an argument that is a pointer of the program's ---------------------------------------------

// How many of them there are in this process.
static int pointers;

static void *copy_pointer(void *pointer) {
    __atomic_fetch_add(&pointers, 1, __ATOMIC_SEQ_CST);
    return strdup(pointer);
}

static void destroy_pointer(void *pointer) {
    __atomic_fetch_sub(&pointers, 1, __ATOMIC_SEQ_CST);
    free(pointer);
}

static int compare_pointers(void *left, void *right) {
    return strcmp(left, right);
}

static const grpc_arg_pointer_vtable pointer_vtable = {copy_pointer, destroy_pointer,
                                                       compare_pointers};

static int child_of_pointer(void *argument) {
    (void)argument;
    int inherited = __atomic_load_n(&pointers, __ATOMIC_SEQ_CST);
    bool passed = report_child_unary("child", &client, &before);
    // The new channel has copies of its own.
    passed = report("child", "copied", __atomic_load_n(&pointers, __ATOMIC_SEQ_CST) > inherited) &&
             passed;
    grpc_channel_destroy(client.channel);
    return passed ? 0 : 1;
}

static bool run_pointer(void) {
    char text[] = "text";
    grpc_arg argument = {.type = GRPC_ARG_POINTER, .key = (char *)"sample.pointer"};
    argument.value.pointer.p = text;
    argument.value.pointer.vtable = &pointer_vtable;
    grpc_channel_args arguments = {1, &argument};
    grpc_channel_destroy(client.channel);
    client.channel = open_channel(address, certificates, &arguments);
    memset(text, 'x', sizeof(text) - 1);
    bool passed = report_unary("parent", &client, "with a pointer", &before);
    return run_in_child(child_of_pointer, NULL) == 0 && passed;
}

// --- a cache of TLS sessions --------------------------------------------------------------------

static grpc_ssl_session_cache *cache;

static grpc_channel *open_cached_channel(void) {
    grpc_arg caching = grpc_ssl_session_cache_create_channel_arg(cache);
    // The server's certificate has this name.
    grpc_arg list[] = {caching,
                       {.type = GRPC_ARG_STRING,
                        .key = (char *)GRPC_SSL_TARGET_NAME_OVERRIDE_ARG,
                        .value.string = (char *)"localhost"}};
    grpc_channel_args arguments = {2, list};
    return open_channel(address, certificates, &arguments);
}

static int child_of_cache(void *argument) {
    (void)argument;
    bool passed = report_child_unary("child", &client, &before);
    struct client own = {.channel = open_cached_channel(), .queue = client.queue};
    passed = report_child_unary("child", &own, &before) && passed;
    grpc_channel_destroy(own.channel);
    grpc_ssl_session_cache_destroy(cache);
    return passed ? 0 : 1;
}

static bool run_cache(void) {
    cache = grpc_ssl_session_cache_create_lru(10);
    grpc_channel_destroy(client.channel);
    client.channel = open_cached_channel();
    bool passed = report_unary("parent", &client, "with a cache", &before);
    passed = run_in_child(child_of_cache, NULL) == 0 && passed;
    return report_parent_again(&client, &before) && passed;
}

// --- XDS credentials, for a target that does not ask for XDS ------------------------------------

#ifdef HAVE_GRPC_CHANNEL_CREATE
static grpc_channel_credentials *xds;

static int child_of_xds(void *argument) {
    (void)argument;
    bool passed = report_child_unary("child", &client, &before);
    struct client own = {.channel = grpc_channel_create(address, xds, NULL), .queue = client.queue};
    passed = report_child_unary("child", &own, &before) && passed;
    grpc_channel_destroy(own.channel);
    return passed ? 0 : 1;
}

static bool run_xds(void) {
    grpc_channel_credentials *fallback = open_credentials(certificates);
    xds = grpc_xds_credentials_create(fallback);
    grpc_channel_credentials_release(fallback);
    grpc_channel_destroy(client.channel);
    client.channel = grpc_channel_create(address, xds, NULL);
    bool passed = report_unary("parent", &client, "by XDS credentials", &before);
    passed = run_in_child(child_of_xds, NULL) == 0 && passed;
    return report_parent_again(&client, &before) && passed;
}
#endif

static const struct subject {
    const char *name;
    bool (*run)(void);
} subjects[] = {
    {"connectivity", run_connectivity},
    {"channelz", run_channelz},
    {"census", run_census},
    {"pointer", run_pointer},
    {"session-cache", run_cache},
#ifdef HAVE_GRPC_CHANNEL_CREATE
    {"xds", run_xds},
#endif
};

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: objects ADDRESS SUBJECT [CERTIFICATES]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    address = argv[1];
    certificates = argc > 3 ? argv[3] : NULL;
    grpc_init();
    client.channel = open_channel(address, certificates, NULL);
    client.queue = grpc_completion_queue_create_for_pluck(NULL);
    bool passed = report_unary("parent", &client, "from the parent", &before);
    bool known = false;
    for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
        if (strcmp(argv[2], subjects[i].name) == 0) {
            known = true;
            passed = subjects[i].run() && passed;
        }
    }
    if (!known) {
        printf("no subject %s\n", argv[2]);
        return 3;
    }
    passed = report_parent_again(&client, &before) && passed;
    return passed ? 0 : 1;
}
