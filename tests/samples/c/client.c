#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>

void fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(2);
}

gpr_timespec deadline_in(int milliseconds) {
    return gpr_time_add(gpr_now(GPR_CLOCK_REALTIME),
                        gpr_time_from_millis(milliseconds, GPR_TIMESPAN));
}

char *read_text_file(const char *directory, const char *name) {
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        fail(path);
    }
    char *text = NULL;
    size_t length = 0;
    FILE *memory = open_memstream(&text, &length);
    if (memory == NULL) {
        fail("open_memstream");
    }
    char block[4096];
    size_t count;
    while ((count = fread(block, 1, sizeof(block), file)) > 0) {
        fwrite(block, 1, count, memory);
    }
    fclose(memory);
    fclose(file);
    return text;
}

grpc_channel_credentials *open_credentials(const char *certificates) {
    if (certificates == NULL) {
#ifdef HAVE_GRPC_CHANNEL_CREATE
        return grpc_insecure_credentials_create();
#else
        return NULL;
#endif
    }
#ifdef WITHOUT_TLS
    fprintf(stderr, "no TLS in this client\n");
    exit(2);
#else
    char *roots = read_text_file(certificates, "ca.pem");
    grpc_channel_credentials *credentials = grpc_ssl_credentials_create(roots, NULL, NULL, NULL);
    free(roots);
    return credentials;
#endif
}

grpc_channel *open_channel(const char *address, const char *certificates,
                           const grpc_channel_args *arguments) {
#if defined(WITHOUT_TLS) && !defined(HAVE_GRPC_CHANNEL_CREATE)
    // The library without TLS had no functions for credentials then.
    return certificates == NULL ? grpc_insecure_channel_create(address, arguments, NULL) : NULL;
#else
    grpc_channel_credentials *credentials = open_credentials(certificates);
#ifdef HAVE_GRPC_CHANNEL_CREATE
    grpc_channel *channel = grpc_channel_create(address, credentials, arguments);
#else
    grpc_channel *channel = credentials == NULL
                                ? grpc_insecure_channel_create(address, arguments, NULL)
                                : grpc_secure_channel_create(credentials, address, arguments, NULL);
#endif
    if (credentials != NULL) {
        grpc_channel_credentials_release(credentials);
    }
    return channel;
#endif
}

static void prepare_call(struct call *call, grpc_call *handle) {
    memset(call, 0, sizeof(*call));
    call->call = handle;
    call->status = GRPC_STATUS_UNKNOWN;
    call->details = grpc_empty_slice();
    grpc_metadata_array_init(&call->initial_metadata);
    grpc_metadata_array_init(&call->trailing_metadata);
}

void open_call(struct call *call, grpc_channel *channel, grpc_completion_queue *queue,
               const char *method) {
    prepare_call(call, grpc_channel_create_call(channel, NULL, GRPC_PROPAGATE_DEFAULTS, queue,
                                                grpc_slice_from_copied_string(method), NULL,
                                                deadline_in(CALL_SECONDS * 1000), NULL));
}

void open_registered_call(struct call *call, grpc_channel *channel, grpc_completion_queue *queue,
                          void *registered) {
    prepare_call(call, grpc_channel_create_registered_call(channel, NULL, GRPC_PROPAGATE_DEFAULTS,
                                                           queue, registered,
                                                           deadline_in(CALL_SECONDS * 1000), NULL));
}

static grpc_op make_operation(grpc_op_type type) {
    grpc_op operation;
    memset(&operation, 0, sizeof(operation));
    operation.op = type;
    return operation;
}

static grpc_op make_send_message(struct call *call, const struct request *request) {
    if (call->sent != NULL) {
        grpc_byte_buffer_destroy(call->sent);
    }
    call->sent = encode_request(request);
    grpc_op operation = make_operation(GRPC_OP_SEND_MESSAGE);
    operation.data.send_message.send_message = call->sent;
    return operation;
}

static grpc_op make_recv_initial_metadata(struct call *call) {
    grpc_op operation = make_operation(GRPC_OP_RECV_INITIAL_METADATA);
    operation.data.recv_initial_metadata.recv_initial_metadata = &call->initial_metadata;
    return operation;
}

static grpc_op make_recv_message(struct call *call) {
    grpc_op operation = make_operation(GRPC_OP_RECV_MESSAGE);
    operation.data.recv_message.recv_message = &call->received;
    return operation;
}

static grpc_op make_recv_status(struct call *call) {
    grpc_op operation = make_operation(GRPC_OP_RECV_STATUS_ON_CLIENT);
    operation.data.recv_status_on_client.trailing_metadata = &call->trailing_metadata;
    operation.data.recv_status_on_client.status = &call->status;
    operation.data.recv_status_on_client.status_details = &call->details;
    return operation;
}

static grpc_call_error start(struct call *call, const grpc_op *operations, size_t count,
                             void *tag) {
    return grpc_call_start_batch(call->call, operations, count, tag, NULL);
}

grpc_call_error start_unary(struct call *call, const struct request *request, void *tag) {
    grpc_op operations[] = {
        make_operation(GRPC_OP_SEND_INITIAL_METADATA),
        make_send_message(call, request),
        make_operation(GRPC_OP_SEND_CLOSE_FROM_CLIENT),
        make_recv_initial_metadata(call),
        make_recv_message(call),
        make_recv_status(call),
    };
    return start(call, operations, sizeof(operations) / sizeof(operations[0]), tag);
}

grpc_call_error start_sending(struct call *call, const struct request *request, bool last,
                              void *tag) {
    grpc_op operations[] = {
        make_operation(GRPC_OP_SEND_INITIAL_METADATA),
        make_send_message(call, request),
        make_operation(GRPC_OP_SEND_CLOSE_FROM_CLIENT),
    };
    return start(call, operations, last ? 3 : 2, tag);
}

grpc_call_error start_message(struct call *call, const struct request *request, void *tag) {
    grpc_op operation = make_send_message(call, request);
    return start(call, &operation, 1, tag);
}

grpc_call_error start_half_close(struct call *call, void *tag) {
    grpc_op operation = make_operation(GRPC_OP_SEND_CLOSE_FROM_CLIENT);
    return start(call, &operation, 1, tag);
}

grpc_call_error start_receiving(struct call *call, void *tag) {
    grpc_op operation = make_recv_initial_metadata(call);
    return start(call, &operation, 1, tag);
}

grpc_call_error start_reading(struct call *call, void *tag) {
    grpc_op operation = make_recv_message(call);
    return start(call, &operation, 1, tag);
}

grpc_call_error start_status(struct call *call, void *tag) {
    grpc_op operation = make_recv_status(call);
    return start(call, &operation, 1, tag);
}

bool take_reply(struct call *call, struct reply *reply) {
    if (call->received == NULL) {
        return false;
    }
    bool valid = decode_reply(call->received, reply);
    grpc_byte_buffer_destroy(call->received);
    call->received = NULL;
    return valid;
}

void copy_details(const struct call *call, char *details, size_t size) {
    snprintf(details, size, "%.*s", (int)GRPC_SLICE_LENGTH(call->details),
             (const char *)GRPC_SLICE_START_PTR(call->details));
}

void close_call(struct call *call) {
    grpc_call_unref(call->call);
    grpc_metadata_array_destroy(&call->initial_metadata);
    grpc_metadata_array_destroy(&call->trailing_metadata);
    grpc_slice_unref(call->details);
    if (call->sent != NULL) {
        grpc_byte_buffer_destroy(call->sent);
    }
    if (call->received != NULL) {
        grpc_byte_buffer_destroy(call->received);
    }
    memset(call, 0, sizeof(*call));
}

static void copy_trailing(const struct call *call, const char *key, char *value, size_t size) {
    for (size_t i = 0; i < call->trailing_metadata.count; i++) {
        const grpc_metadata *metadata = &call->trailing_metadata.metadata[i];
        if (grpc_slice_str_cmp(metadata->key, key) == 0) {
            snprintf(value, size, "%.*s", (int)GRPC_SLICE_LENGTH(metadata->value),
                     (const char *)GRPC_SLICE_START_PTR(metadata->value));
        }
    }
}

bool call_unary(const struct client *client, const char *text, struct answer *answer) {
    memset(answer, 0, sizeof(*answer));
    answer->status = GRPC_STATUS_UNKNOWN;
    struct call call;
    if (client->registered != NULL) {
        open_registered_call(&call, client->channel, client->queue, client->registered);
    } else {
        open_call(&call, client->channel, client->queue, METHOD_UNARY);
    }
    struct request request = {.text = text};
    grpc_call_error error = start_unary(&call, &request, &call);
    if (error != GRPC_CALL_OK) {
        snprintf(answer->details, sizeof(answer->details), "%s", grpc_call_error_to_string(error));
        close_call(&call);
        return false;
    }
    // The call's own deadline bounds the wait.
    gpr_timespec forever = gpr_inf_future(GPR_CLOCK_REALTIME);
    grpc_event event = client->next
                           ? grpc_completion_queue_next(client->queue, forever, NULL)
                           : grpc_completion_queue_pluck(client->queue, &call, forever, NULL);
    if (event.type != GRPC_OP_COMPLETE || event.tag != &call) {
        // The core may still write into `call`, which is about to go out of scope.
        fprintf(stderr, "completion queue: event type %d tag %p instead of %p\n", (int)event.type,
                event.tag, (void *)&call);
        _exit(2);
    }
    answer->status = call.status;
    copy_details(&call, answer->details, sizeof(answer->details));
    copy_trailing(&call, "echo-user-agent", answer->user_agent, sizeof(answer->user_agent));
    bool replied = take_reply(&call, &answer->reply);
    close_call(&call);
    return event.success && answer->status == GRPC_STATUS_OK && replied &&
           strncmp(answer->reply.text, text, sizeof(answer->reply.text) - 1) == 0;
}

bool report_unary(const char *who, const struct client *client, const char *text,
                  struct answer *answer) {
    bool passed = call_unary(client, text, answer);
    printf("%s status %d\n", who, (int)answer->status);
    if (answer->status == GRPC_STATUS_OK) {
        printf("%s peer %s\n", who, answer->reply.peer);
    } else {
        printf("%s details %s\n", who, answer->details);
    }
    return passed;
}

bool report_child_unary(const char *who, const struct client *client, const struct answer *parent) {
    struct answer answer;
    bool passed = report_unary(who, client, "from the child", &answer);
    if (passed && strcmp(answer.reply.peer, parent->reply.peer) == 0) {
        printf("%s connection of the parent\n", who);
        passed = false;
    }
    return passed;
}

bool report_parent_again(const struct client *client, const struct answer *before) {
    struct answer answer;
    bool passed = report_unary("parent", client, "from the parent again", &answer);
    if (passed && strcmp(answer.reply.peer, before->reply.peer) != 0) {
        printf("parent connection lost\n");
        passed = false;
    }
    return passed;
}

void drain_and_destroy(grpc_completion_queue *queue) {
    grpc_completion_queue_shutdown(queue);
    grpc_event event;
    do {
        event = grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
    } while (event.type != GRPC_QUEUE_SHUTDOWN);
    grpc_completion_queue_destroy(queue);
}

bool report(const char *who, const char *subject, bool passed) {
    printf("%s %s %s\n", who, subject, passed ? "ok" : "FAILED");
    return passed;
}

int wait_for(pid_t child) {
    int status;
    while (waitpid(child, &status, 0) == -1) {
        if (errno != EINTR) {
            fail("waitpid");
        }
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int run_in_child(int (*body)(void *), void *argument) {
    fflush(NULL);
    pid_t child = fork();
    if (child == -1) {
        fail("fork");
    }
    if (child == 0) {
        int result = body(argument);
        fflush(NULL);
        _exit(result);
    }
    int status = wait_for(child);
    printf("child exit %d\n", status);
    return status;
}

int call_fork_call(const char *address, struct client *client, struct answer *before,
                   int (*body)(void *)) {
    client->channel = open_channel(address, NULL, NULL);
    client->queue = grpc_completion_queue_create_for_pluck(NULL);
    bool passed = report_unary("parent", client, "from the parent", before);
    passed = run_in_child(body, NULL) == 0 && passed;
    return report_parent_again(client, before) && passed ? 0 : 1;
}
