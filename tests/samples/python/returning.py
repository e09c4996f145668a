"""Children that go on where the program was called by grpcio: they answer a plugin's callback, and
return from a handler.  Both are the parent's to do.

usage: returning.py TLS-ADDRESS CERTIFICATES
"""

import os
import sys
from concurrent import futures

import grpc
import echo
from echo import EchoStub, Request
from family import say

address, certificates = sys.argv[1:]
PARENT = os.getpid()


def fork_here(use):
    """In the child, whether it uses gRPC before it goes on."""
    child = os.fork()
    if child == 0:
        if use:
            assert EchoStub(channel).Unary(Request(text="x"), timeout=30).text == "x"
        return
    say("child that uses gRPC" if use else "idle child", "exit",
        os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def leave_in_child():
    if os.getpid() != PARENT:
        os._exit(0)


class Signing(grpc.AuthMetadataPlugin):

    def __init__(self, use):
        self.use = use

    def __call__(self, context, callback):
        fork_here(self.use)
        callback((("x-sample", "signed"),), None)
        leave_in_child()


class Executor(futures.ThreadPoolExecutor):
    """What it runs is grpcio's, around the program's handler."""

    def submit(self, function, *args, **kwargs):

        def run():
            try:
                return function(*args, **kwargs)
            finally:
                leave_in_child()

        return super().submit(run)


def unary(request, context):
    fork_here(request == b"use")
    return request


def stream(request, context):
    yield b"first"
    fork_here(request == b"use")
    yield b"second"


def open_channel(call_credentials=None):
    credentials = transport
    if call_credentials:
        credentials = grpc.composite_channel_credentials(transport, call_credentials)
    return grpc.secure_channel(address, credentials)


with open(os.path.join(certificates, "ca.pem"), "rb") as file:
    transport = grpc.ssl_channel_credentials(file.read())
channel = open_channel()
server = grpc.server(Executor(4))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("samples.Returning", {
    "unary": grpc.unary_unary_rpc_method_handler(unary),
    "stream": grpc.unary_stream_rpc_method_handler(stream),
}),))
own = grpc.insecure_channel("127.0.0.1:%d" % server.add_insecure_port("127.0.0.1:0"))
server.start()
for how in (b"idle", b"use"):
    say("handler", own.unary_unary("/samples.Returning/unary")(how, timeout=30).decode())
    say("stream", b" ".join(own.unary_stream("/samples.Returning/stream")(how, timeout=30)).decode())
    with open_channel(grpc.metadata_call_credentials(Signing(how == b"use"))) as signed:
        _, call = EchoStub(signed).Unary.with_call(Request(), timeout=30)
    say("plugin", dict(call.trailing_metadata()).get("echo-x-sample"))
own.close()
server.stop(None).wait(30)
