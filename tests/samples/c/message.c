#include "message.h"

#include <string.h>

#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_LENGTH_DELIMITED = 2, WIRE_FIXED32 = 5 };

#define VARINT_SIZE 10

static uint8_t *put_varint(uint8_t *out, uint64_t value) {
    while (value >= 0x80) {
        *out++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *out++ = (uint8_t)value;
    return out;
}

static uint8_t *put_key(uint8_t *out, unsigned int field, enum wire_type type) {
    return put_varint(out, (uint64_t)field << 3 | (uint64_t)type);
}

grpc_byte_buffer *encode_request(const struct request *request) {
    size_t length = request->text == NULL ? 0 : strlen(request->text);
    uint8_t *bytes = gpr_malloc(length + 6 * VARINT_SIZE);
    uint8_t *end = bytes;
    if (length > 0) {
        end = put_varint(put_key(end, 1, WIRE_LENGTH_DELIMITED), length);
        memcpy(end, request->text, length);
        end += length;
    }
    if (request->count != 0) {
        end = put_varint(put_key(end, 2, WIRE_VARINT), (uint64_t)request->count);
    }
    if (request->delay_milliseconds != 0) {
        end = put_varint(put_key(end, 3, WIRE_VARINT), (uint64_t)request->delay_milliseconds);
    }
    grpc_slice slice = grpc_slice_from_copied_buffer((const char *)bytes, (size_t)(end - bytes));
    gpr_free(bytes);
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return buffer;
}

struct cursor {
    const uint8_t *next;
    const uint8_t *end;
};

static bool take_varint(struct cursor *cursor, uint64_t *value) {
    *value = 0;
    for (unsigned int shift = 0; shift < 64 && cursor->next < cursor->end; shift += 7) {
        uint8_t byte = *cursor->next++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            return true;
        }
    }
    return false;
}

static bool take_string(struct cursor *cursor, char *text, size_t size) {
    uint64_t length;
    if (!take_varint(cursor, &length) || length > (uint64_t)(cursor->end - cursor->next)) {
        return false;
    }
    size_t kept = length < size ? (size_t)length : size - 1;
    memcpy(text, cursor->next, kept);
    text[kept] = '\0';
    cursor->next += length;
    return true;
}

static bool skip(struct cursor *cursor, enum wire_type type) {
    uint64_t length;
    switch (type) {
    case WIRE_VARINT:
        return take_varint(cursor, &length);
    case WIRE_FIXED64:
        length = 8;
        break;
    case WIRE_LENGTH_DELIMITED:
        if (!take_varint(cursor, &length)) {
            return false;
        }
        break;
    case WIRE_FIXED32:
        length = 4;
        break;
    default:
        return false;
    }
    if (length > (uint64_t)(cursor->end - cursor->next)) {
        return false;
    }
    cursor->next += length;
    return true;
}

static bool take_field(struct cursor *cursor, struct reply *reply) {
    uint64_t key;
    if (!take_varint(cursor, &key)) {
        return false;
    }
    enum wire_type type = (enum wire_type)(key & 7);
    uint64_t field = key >> 3;
    if (field == 1 && type == WIRE_LENGTH_DELIMITED) {
        return take_string(cursor, reply->text, sizeof(reply->text));
    }
    if (field == 2 && type == WIRE_LENGTH_DELIMITED) {
        return take_string(cursor, reply->peer, sizeof(reply->peer));
    }
    if ((field == 3 || field == 4) && type == WIRE_VARINT) {
        uint64_t value;
        if (!take_varint(cursor, &value)) {
            return false;
        }
        *(field == 3 ? &reply->pid : &reply->sequence) = (int64_t)value;
        return true;
    }
    return skip(cursor, type);
}

bool decode_reply(grpc_byte_buffer *bytes, struct reply *reply) {
    memset(reply, 0, sizeof(*reply));
    grpc_byte_buffer_reader reader;
    if (!grpc_byte_buffer_reader_init(&reader, bytes)) {
        return false;
    }
    grpc_slice slice = grpc_byte_buffer_reader_readall(&reader);
    grpc_byte_buffer_reader_destroy(&reader);
    struct cursor cursor = {GRPC_SLICE_START_PTR(slice), GRPC_SLICE_END_PTR(slice)};
    bool valid = true;
    while (valid && cursor.next < cursor.end) {
        valid = take_field(&cursor, reply);
    }
    grpc_slice_unref(slice);
    return valid;
}
