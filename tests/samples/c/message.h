// The messages of echo.proto, encoded and decoded by hand, so that a client in C needs no more
// than the gRPC core.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <grpc/byte_buffer.h>

#ifdef __cplusplus
extern "C" {
#endif

#define REPLY_TEXT_SIZE 1024
#define REPLY_PEER_SIZE 128

struct request {
    const char *text;
    int32_t count;
    int32_t delay_milliseconds;
};

struct reply {
    char text[REPLY_TEXT_SIZE];
    char peer[REPLY_PEER_SIZE];
    int64_t pid;
    int64_t sequence;
};

// The caller destroys the result with grpc_byte_buffer_destroy().
grpc_byte_buffer *encode_request(const struct request *request);

// False when the bytes are not a Reply.  A text too long for `reply` is cut.
bool decode_reply(grpc_byte_buffer *bytes, struct reply *reply);

#ifdef __cplusplus
}
#endif
