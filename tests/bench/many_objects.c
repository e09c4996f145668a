// many_objects ADDRESS channels|queues|credentials|alive-calls|calls COUNT: the memory of COUNT
// objects that are alive at a time, or of COUNT unary calls one after the other.
//
// Prints the bytes that are allocated: before, with the objects alive, when they are gone, and both
// once more. For calls: before, halfway and at the end. While the objects are alive a child uses
// the last of them.
#include <malloc.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "measure.h"

static struct client client;

static long long allocated(void) {
#ifdef HAVE_MALLINFO2
    struct mallinfo2 information = mallinfo2();
#else
    struct mallinfo information = mallinfo();
#endif
    return (long long)information.uordblks + (long long)information.hblkhd;
}

static void print_allocated(void) {
    printf("%lld ", allocated());
}

static void *make_channel(const char *address) {
    return open_channel(address, NULL, NULL);
}

static void destroy_channel(void *channel) {
    grpc_channel_destroy(channel);
}

static bool use_channel(void *channel) {
    struct client own = {.channel = channel, .queue = client.queue};
    struct answer answer;
    return call_unary(&own, "channel", &answer);
}

static void *make_queue(const char *address) {
    (void)address;
    return grpc_completion_queue_create_for_pluck(NULL);
}

static void destroy_queue(void *queue) {
    grpc_completion_queue_shutdown(queue);
    grpc_completion_queue_destroy(queue);
}

static bool use_queue(void *queue) {
    struct client own = {.channel = client.channel, .queue = queue};
    struct answer answer;
    return call_unary(&own, "queue", &answer);
}

static void *make_credentials(const char *address) {
    (void)address;
    return grpc_access_token_credentials_create("token", NULL);
}

static void destroy_credentials(void *credentials) {
    grpc_call_credentials_release(credentials);
}

static void *make_call(const char *address) {
    (void)address;
    struct call *call = malloc(sizeof(*call));
    open_call(call, client.channel, client.queue, METHOD_UNARY);
    return call;
}

static void destroy_call(void *call) {
    close_call(call);
    free(call);
}

static bool use_nothing(void *object) {
    return object != NULL;
}

static const struct kind {
    const char *name;
    void *(*make)(const char *address);
    void (*destroy)(void *object);
    bool (*use)(void *object);
} kinds[] = {
    {"channels", make_channel, destroy_channel, use_channel},
    {"queues", make_queue, destroy_queue, use_queue},
    {"credentials", make_credentials, destroy_credentials, use_nothing},
    {"alive-calls", make_call, destroy_call, use_nothing},
};

// Whether a child can use it. Without the shim that harms the parent, which has no use for it then.
static bool child_uses(const struct kind *kind, void *object) {
    if (getenv("LD_PRELOAD") == NULL) {
        return true;
    }
    fflush(stdout);
    pid_t child = fork();
    if (child == -1) {
        fail("fork");
    }
    if (child == 0) {
        _exit(kind->use(object) ? 0 : 1);
    }
    return wait_for(child) == 0;
}

static bool measure_objects(const struct kind *kind, const char *address, size_t count) {
    void **objects = calloc(count, sizeof(*objects));
    bool passed = objects != NULL;
    print_allocated();
    for (int round = 0; passed && round < 2; round++) {
        for (size_t i = 0; i < count; i++) {
            objects[i] = kind->make(address);
        }
        print_allocated();
        passed = child_uses(kind, objects[count - 1]);
        for (size_t i = 0; i < count; i++) {
            kind->destroy(objects[i]);
        }
        print_allocated();
    }
    free(objects);
    return passed;
}

static bool call_often(size_t count) {
    struct answer answer;
    for (size_t i = 0; i < count; i++) {
        if (!call_unary(&client, "often", &answer)) {
            return false;
        }
    }
    return true;
}

static bool measure_calls(size_t count) {
    bool passed = call_often(1000);
    print_allocated();
    passed = passed && call_often(count / 2);
    print_allocated();
    passed = passed && call_often(count - count / 2);
    print_allocated();
    return passed;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: %s ADDRESS KIND COUNT\n", argv[0]);
        return 2;
    }
    size_t count = strtoul(argv[3], NULL, 10);
    grpc_init();
    client.channel = open_channel(argv[1], NULL, NULL);
    client.queue = grpc_completion_queue_create_for_pluck(NULL);
    bool passed = call_often(10);
    if (strcmp(argv[2], "calls") == 0) {
        passed = measure_calls(count) && passed;
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(argv[2], kinds[i].name) == 0) {
            passed = measure_objects(&kinds[i], argv[1], count) && passed;
        }
    }
    printf("\n");
    grpc_channel_destroy(client.channel);
    destroy_queue(client.queue);
    grpc_shutdown();
    return passed ? 0 : 1;
}
