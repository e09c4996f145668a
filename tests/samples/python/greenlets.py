"""A program that uses gevent: what it does with gRPC in greenlets, its children do as well.

With --late nobody asks for gevent's support before the fork, as in a web server that loads its
application first: grpc is there, and the child is the first to patch the standard library.
"""

import argparse
import os
import sys

parser = argparse.ArgumentParser()
parser.add_argument("address")
parser.add_argument("tls_address")
parser.add_argument("certificates")
parser.add_argument("--late", action="store_true")
parser.add_argument("--busy", action="store_true", help="greenlets call while the process forks")
parser.add_argument("--unsigned", action="store_true", help="no calls with credentials of their own")
options = parser.parse_args()

if not options.late:
    from gevent import monkey
    monkey.patch_all()

import grpc
import grpc.experimental.gevent
from echo import EchoStub, Request
from family import in_child, say

if not options.late:
    import gevent
    grpc.experimental.gevent.init_gevent()

# More than gevent has native threads for.
BUSY = 14
SLOW = Request(text="slow", delay_milliseconds=200)


class Signing(grpc.AuthMetadataPlugin):
    """It takes a greenlet's turn to answer."""

    def __call__(self, context, callback):
        gevent.sleep(0.001)
        callback((("x-sample", "signed"),), None)


def open_signed():
    with open(os.path.join(options.certificates, "ca.pem"), "rb") as file:
        transport = grpc.ssl_channel_credentials(file.read())
    signing = grpc.metadata_call_credentials(Signing())
    return grpc.secure_channel(options.tls_address,
                               grpc.composite_channel_credentials(transport, signing))


def turns_meanwhile(function):
    """Whether another greenlet has turns while the function runs; and what it returns."""
    turns = []

    def take_turns():
        while True:
            gevent.sleep(0.005)
            turns.append(1)

    other = gevent.spawn(take_turns)
    try:
        result = function()
    finally:
        other.kill()
    return len(turns) > 2, result


def requests():
    for text in "abc":
        gevent.sleep(0.001)
        yield Request(text=text)


def use(who, channel, signed):
    stub = EchoStub(channel)
    others, reply = turns_meanwhile(lambda: stub.Unary(SLOW, timeout=30))
    say(who, "unary", reply.text, "others", others)
    others, reply = turns_meanwhile(lambda: stub.Unary.future(SLOW, timeout=30).result())
    say(who, "future", reply.text, "others", others)
    replies = stub.ServerStream(Request(text="s", count=5), timeout=30)
    say(who, "stream", len(list(replies)))
    say(who, "talk", "".join(reply.text for reply in stub.BidiStream(requests(), timeout=30)))
    calls = [gevent.spawn(stub.Unary, Request(text=str(i)), timeout=30) for i in range(2 * BUSY)]
    gevent.joinall(calls)
    say(who, "at once", [call.value.text for call in calls] == [str(i) for i in range(2 * BUSY)])
    grpc.channel_ready_future(channel).result(timeout=30)
    if options.unsigned:
        return
    _, call = EchoStub(signed).Unary.with_call(Request(), timeout=30)
    say(who, "plugin", dict(call.trailing_metadata()).get("echo-x-sample"))


def use_all(who):
    use(f"{who} inherited", channel, signed)
    with grpc.insecure_channel(options.address) as new, open_signed() as new_signed:
        use(f"{who} new", new, new_signed)


def child(depth):
    global gevent
    if options.late and depth == 1:
        from gevent import monkey
        monkey.patch_all()
        import gevent
        gevent.reinit()
        grpc.experimental.gevent.init_gevent()
    use_all(f"child {depth}")
    if depth < 2:
        say(f"child {depth + 1} exit", in_child(child, depth + 1))
    channel.close()


def keep_calling(stub, ended):
    while not ended:
        assert stub.Unary(Request(text="x", delay_milliseconds=5), timeout=30).text == "x"


channel = grpc.insecure_channel(options.address)
signed = open_signed()
if not options.late:
    use("parent", channel, signed)
ended, callers = [], []
if options.busy:
    stub = EchoStub(channel)
    callers = [gevent.spawn(keep_calling, stub, ended) for _ in range(BUSY)]
    gevent.sleep(0.05)
status = in_child(child, 1)
say("child 1 exit", status)
ended.append(True)
if callers:
    gevent.joinall(callers, raise_error=True)
if not options.late:
    use("parent after", channel, signed)
channel.close()
signed.close()
sys.exit(status)
