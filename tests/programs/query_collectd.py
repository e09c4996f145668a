# Asks collectd's gRPC server for the values that it has: prints how many times the script's came.
# query_collectd.py ADDRESS, or with `put` behind it: hands in a value.
import sys

import grpc


def field(number, data):
    return bytes([number << 3 | 2, len(data)]) + data


def identifier(host, plugin, instance, kind):
    return b"".join(field(n, v.encode()) for n, v in enumerate((host, plugin, instance, kind, ""), 1) if v)


channel = grpc.insecure_channel(sys.argv[1])
if sys.argv[2:] == ["put"]:
    # google.protobuf.Timestamp and Duration, a gauge of 42.
    gauge = b"\x21" + b"\x00\x00\x00\x00\x00\x00\x45\x40"
    values = field(1, b"\x11" + b"\x00\x00\x00\x00\x00\x00\x45\x40")
    values += field(2, b"\x08" + b"\x80\xa0\xc0\xf8\x06") + field(3, b"\x08\x0a")
    values += field(4, identifier("remote", "handed", "in", "gauge"))
    put = channel.stream_unary("/collectd.Collectd/PutValues")
    put(iter([field(1, values)]), timeout=10)
    print("put")
else:
    query = channel.unary_stream("/collectd.Collectd/QueryValues")
    request = field(1, identifier("*", "*", "*", "*") + field(5, b"*"))
    names = sorted({n for answer in query(request, timeout=10) for n in (b"counted", b"handed") if n in answer})
    print("values", *(name.decode() for name in names))
