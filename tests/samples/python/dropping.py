"""A child that lets go of what it inherited before it uses grpc, or without using it."""

import asyncio
import gc
import sys

import grpc
from echo import EchoStub, Request
from family import in_child, say

try:
    import grpc.aio
except ImportError:
    pass  # it came with 1.32

ADDRESS = sys.argv[1]


class Everything:

    async def open(self):
        self.aio = grpc.aio.insecure_channel(ADDRESS)
        await EchoStub(self.aio).Unary(Request(), timeout=30)

    def __init__(self):
        if hasattr(grpc, "aio"):
            self.loop = asyncio.new_event_loop()
            self.loop.run_until_complete(self.open())
            self.aio_server = self.loop.run_until_complete(self.make_server())
        self.channel = grpc.insecure_channel(ADDRESS)
        EchoStub(self.channel).Unary(Request(), timeout=30)
        self.server = grpc.server(None)
        self.server.add_insecure_port("127.0.0.1:0")
        self.call = EchoStub(self.channel).Unary.future(Request(delay_milliseconds=3000))

    async def make_server(self):
        return grpc.aio.server()


everything = Everything()
say("parent has everything")


def drop(then_use):
    global everything
    everything = None
    gc.collect()
    if then_use:
        say("child new", EchoStub(grpc.insecure_channel(ADDRESS)).Unary(Request(text="x")).text)
        gc.collect()


def drop_after_use():
    stub = EchoStub(everything.channel)
    say("child inherited", stub.Unary(Request(text="x"), timeout=30).text)
    drop(False)
    say("child again", stub.Unary(Request(text="y"), timeout=30).text)


say("dropping child exit", in_child(drop, False))
say("dropping, then using child exit", in_child(drop, True))
say("using, then dropping child exit", in_child(drop_after_use))
say("parent", EchoStub(everything.channel).Unary(Request(text="x"), timeout=30).text)
