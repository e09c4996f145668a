"""What may be the first that a child uses of grpc: each in a child of its own. The parent has used
as little as that needs."""

import asyncio
import os
import sys
import warnings
from concurrent import futures

import grpc
import grpc.experimental
import echo
from echo import EchoStub, Request
from family import in_child, say

try:
    import grpc.aio
except ImportError:
    pass  # it came with 1.32

ADDRESS = sys.argv[1]
channel = grpc.insecure_channel(ADDRESS)
# Nothing but this asks for a connection, and the fork comes before the channel says that it has one.
ready = grpc.channel_ready_future(grpc.insecure_channel(ADDRESS))


def behave(request, context):
    return echo.Reply(request.text, context.peer(), os.getpid(), 0)


async def aio_behave(request, context):
    return behave(request, context)


def handlers(behaviour):
    method = grpc.unary_unary_rpc_method_handler(behaviour, Request.decode, echo.encode_reply)
    return (grpc.method_handlers_generic_handler("samples.Echo", {"Unary": method}),)


def server():
    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers(handlers(behave))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    own = EchoStub(grpc.insecure_channel(f"127.0.0.1:{port}"))
    assert own.Unary(Request(), timeout=30).pid == os.getpid()
    server.stop(None).wait()


async def aio_server():
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(handlers(aio_behave))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as own:
        assert (await EchoStub(own).Unary(Request(), timeout=30)).pid == os.getpid()
    await server.stop(None)


async def init_aio():
    grpc.aio.init_grpc_aio()
    async with grpc.aio.insecure_channel(ADDRESS) as own:
        assert (await EchoStub(own).Unary(Request(text="x"), timeout=30)).text == "x"
    grpc.aio.shutdown_grpc_aio()


def simple_stub():
    warnings.simplefilter("ignore", grpc.experimental.ExperimentalApiWarning)
    for _ in range(2):
        reply = grpc.experimental.unary_unary(
            Request(text="x"), ADDRESS, "/samples.Echo/Unary", Request.encode, echo.decode_reply,
            channel_credentials=grpc.experimental.insecure_channel_credentials(), timeout=30)
        assert reply.text == "x"


def ready_future():
    assert ready.result(timeout=30) is None


USES = {
    "ready future": ready_future,
    "server": server,
    "aio server": lambda: asyncio.run(aio_server()),
    "init_grpc_aio": lambda: asyncio.run(init_aio()),
    "simple stub": simple_stub,
}

say("parent has made channels")
if not hasattr(grpc, "aio"):
    del USES["aio server"], USES["init_grpc_aio"]

# Before anything else, which would tell of the modules that a use imports.
for name, use in USES.items():
    say(name, "exit", in_child(use))
EchoStub(channel).Unary(Request(), timeout=30)
# The same as grandchildren, of a child that has used another part.
for name, use in USES.items():
    say(name, "after a call", "exit", in_child(
        lambda: (EchoStub(channel).Unary(Request(), timeout=30), sys.exit(in_child(use)))))
