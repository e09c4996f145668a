"""Messages and stub of the Echo service (tests/samples/proto/echo.proto), without protobuf.

Every grpcio runs it, whatever protobuf is installed.
"""

import collections

Reply = collections.namedtuple("Reply", "text peer pid sequence")


def _varint(value):
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _read_varint(data, position):
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position


class Request:

    def __init__(self, text="", count=0, delay_milliseconds=0):
        self.text, self.count, self.delay_milliseconds = text, count, delay_milliseconds

    def encode(self):
        text = self.text.encode()
        encoded = b"\x0a" + _varint(len(text)) + text
        if self.count:
            encoded += b"\x10" + _varint(self.count)
        if self.delay_milliseconds:
            encoded += b"\x18" + _varint(self.delay_milliseconds)
        return encoded

    @staticmethod
    def decode(data):
        fields = _fields(data)
        return Request(fields.get(1, b"").decode(), fields.get(2, 0), fields.get(3, 0))


def _fields(data):
    fields, position = {}, 0
    while position < len(data):
        key, position = _read_varint(data, position)
        value, position = _read_varint(data, position)
        if key & 7 == 2:
            value, position = data[position:position + value], position + value
        fields[key >> 3] = value
    return fields


def encode_reply(reply):
    encoded = b""
    for number, text in ((1, reply.text.encode()), (2, reply.peer.encode())):
        encoded += bytes([number << 3 | 2]) + _varint(len(text)) + text
    return encoded + b"\x18" + _varint(reply.pid) + b"\x20" + _varint(reply.sequence)


def decode_reply(data):
    fields = _fields(data)
    return Reply(
        fields.get(1, b"").decode(),
        fields.get(2, b"").decode(), fields.get(3, 0), fields.get(4, 0))


class EchoStub:
    """As grpcio-tools would generate it."""

    def __init__(self, channel):
        self.Unary = channel.unary_unary("/samples.Echo/Unary", Request.encode, decode_reply)
        self.ClientStream = channel.stream_unary("/samples.Echo/ClientStream", Request.encode,
                                                 decode_reply)
        self.ServerStream = channel.unary_stream("/samples.Echo/ServerStream", Request.encode,
                                                 decode_reply)
        self.BidiStream = channel.stream_stream("/samples.Echo/BidiStream", Request.encode,
                                                decode_reply)
