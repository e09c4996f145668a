"""gRPC's own fork support, switched on after grpc was imported, in each way that there is; upstream's
own tests of it do so.  The child calls by a new channel and closes the one that it inherited.

usage: late_handlers.py ADDRESS WAY
"""

import os
import queue
import sys

import grpc
from echo import EchoStub, Request
from family import in_child, say
from grpc._cython import cygrpc

FLAG = "_GRPC_ENABLE_FORK_SUPPORT"


def set_in_environment():
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "1"


def set_attribute():
    setattr(cygrpc, FLAG, True)


def set_in_dictionary():
    vars(cygrpc)[FLAG] = True


def nothing():
    pass


# What is done before the first channel, when it is in use, in the child before its first use of gRPC,
# and in the child after its first.
WAYS = {
    "attribute": (set_attribute, nothing, nothing, nothing),
    "dictionary": (set_in_dictionary, nothing, nothing, nothing),
    "environment": (set_in_environment, nothing, nothing, nothing),
    "used": (nothing, set_attribute, nothing, nothing),
    "child": (nothing, nothing, set_attribute, nothing),
    "used-child": (nothing, nothing, nothing, lambda: setattr(sys.modules[cygrpc.__name__], FLAG, True)),
}

address, way = sys.argv[1:]
before, when_used, in_new_child, in_used_child = WAYS[way]
requests, states = queue.SimpleQueue(), queue.SimpleQueue()


def call(channel, text):
    return EchoStub(channel).Unary(Request(text=text), timeout=30).text


def generation(number):
    """A child, and a child of it."""
    in_new_child()
    with grpc.insecure_channel(address) as fresh:
        say(f"child {number} new", call(fresh, "new"))
        in_used_child()
        if number < 2:
            say(f"child {number + 1} exit", in_child(generation, number + 1))
        say(f"child {number} again", call(fresh, "again"))
    channel.close()


before()
channel = grpc.insecure_channel(address)
channel.subscribe(states.put, try_to_connect=True)
while states.get(timeout=30) is not grpc.ChannelConnectivity.READY:
    pass
when_used()
# A call whose requests come from a thread of grpcio's, which may be anywhere when the process forks.
replies = EchoStub(channel).BidiStream(iter(requests.get, None))
requests.put(Request(text="first"))
say("parent stream", next(replies).text)
status = in_child(generation, 1)
say("child 1 exit", status)
requests.put(Request(text="second"))
say("parent stream", next(replies).text)
requests.put(None)
say("parent stream left", len(list(replies)))
say("parent after", call(channel, "after"))
channel.close()
sys.exit(status)
