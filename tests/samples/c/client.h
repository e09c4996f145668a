// What the clients in C have in common: opening a channel, the batches of a call, one unary call
// with its report, and a child process that is waited for.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#if __has_include(<grpc/credentials.h>)
#include <grpc/credentials.h>
#endif

#include "message.h"

#ifdef __cplusplus
extern "C" {
#endif

// Where all is well no call needs as much, however busy the machine is.
#ifndef CALL_SECONDS
#define CALL_SECONDS 30
#endif
#define DETAILS_SIZE 512
#define USER_AGENT_SIZE 256

gpr_timespec deadline_in(int milliseconds);

// `certificates` is the directory with ca.pem, or NULL for a connection without TLS.
grpc_channel *open_channel(const char *address, const char *certificates,
                           const grpc_channel_args *arguments);
grpc_channel_credentials *open_credentials(const char *certificates);

// The text of a file, to be freed with free(); ends the program if it can't be read.
char *read_text_file(const char *directory, const char *name);

// One call with the memory that its batches write to.
struct call {
    grpc_call *call;
    grpc_metadata_array initial_metadata;
    grpc_metadata_array trailing_metadata;
    grpc_byte_buffer *sent;
    grpc_byte_buffer *received;
    grpc_status_code status;
    grpc_slice details;
};

#define METHOD_UNARY "/samples.Echo/Unary"
#define METHOD_SERVER_STREAM "/samples.Echo/ServerStream"
#define METHOD_BIDI_STREAM "/samples.Echo/BidiStream"

void open_call(struct call *call, grpc_channel *channel, grpc_completion_queue *queue,
               const char *method);
void open_registered_call(struct call *call, grpc_channel *channel, grpc_completion_queue *queue,
                          void *registered);
// The whole of a unary call in one batch.
grpc_call_error start_unary(struct call *call, const struct request *request, void *tag);
// The parts of a streaming call, one batch each.
grpc_call_error start_sending(struct call *call, const struct request *request, bool last,
                              void *tag);
grpc_call_error start_message(struct call *call, const struct request *request, void *tag);
grpc_call_error start_half_close(struct call *call, void *tag);
grpc_call_error start_receiving(struct call *call, void *tag);
grpc_call_error start_reading(struct call *call, void *tag);
grpc_call_error start_status(struct call *call, void *tag);
// Decodes and frees what start_unary() or start_reading() has received; false if that is nothing.
bool take_reply(struct call *call, struct reply *reply);
void copy_details(const struct call *call, char *details, size_t size);
void close_call(struct call *call);

// A channel and the queue that its calls complete on.
struct client {
    grpc_channel *channel;
    grpc_completion_queue *queue;
    // From grpc_channel_register_call(), or NULL.
    void *registered;
    // The queue is made for grpc_completion_queue_next(), else for pluck.
    bool next;
};

struct answer {
    grpc_status_code status;
    char details[DETAILS_SIZE];
    // What the server saw in the call's metadata.
    char user_agent[USER_AGENT_SIZE];
    struct reply reply;
};

// True if the status is OK and the server has echoed `text`.
bool call_unary(const struct client *client, const char *text, struct answer *answer);
// The same, printed as `WHO status N`, `WHO peer ADDRESS` or `WHO details TEXT`.
bool report_unary(const char *who, const struct client *client, const char *text,
                  struct answer *answer);
// A call in a child: it has to come from another connection than `parent`.
bool report_child_unary(const char *who, const struct client *client, const struct answer *parent);
// A call in the parent after the fork: it has to come from the same connection as `before`.
bool report_parent_again(const struct client *client, const struct answer *before);

void drain_and_destroy(grpc_completion_queue *queue);

// True and a line `WHO SUBJECT ok`, or false and a line `WHO SUBJECT FAILED`.
bool report(const char *who, const char *subject, bool passed);

// Waits for the child; its exit status, or 128 and the signal that killed it.
int wait_for(pid_t child);
// Forks; the child runs `body` and ends with its result.
int run_in_child(int (*body)(void *), void *argument);
// The client is opened at this address and calls, its child runs `body`, the client calls again.
// Returns main's result.
int call_fork_call(const char *address, struct client *client, struct answer *before,
                   int (*body)(void *));

// Ends the program with a message that says which system call failed.
void fail(const char *what) __attribute__((noreturn));

#ifdef __cplusplus
}
#endif
