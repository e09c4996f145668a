"""Forks in the places where grpcio calls the program: each child calls, and leaves."""

import argparse
import os
import threading
from concurrent import futures

import grpc
import echo
from echo import EchoStub, Request
from family import say

parser = argparse.ArgumentParser()
parser.add_argument("address")
parser.add_argument("tls")
parser.add_argument("certificates")
options = parser.parse_args()
with open(os.path.join(options.certificates, "ca.pem"), "rb") as file:
    tls = grpc.ssl_channel_credentials(file.read())

channel = grpc.insecure_channel(options.address)
stub = EchoStub(channel)


def fork_here(where):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            assert stub.Unary(Request(text=where), timeout=30).text == where
            assert stub.Unary.future(Request(text=where), timeout=30).result(30).text == where
            new = EchoStub(grpc.insecure_channel(options.address))
            assert new.Unary(Request(text=where), timeout=30).text == where
            status = 0
        finally:
            os._exit(status)
    say(where, "exit", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


class Forking(grpc.AuthMetadataPlugin):

    def __call__(self, context, callback):
        fork_here("plugin")
        callback((), None)


def requests():
    yield Request(text="a")
    fork_here("requests")
    yield Request(text="b")


def serialise(request):
    fork_here("serialiser")
    return request.encode()


class Intercepting(grpc.UnaryUnaryClientInterceptor):

    def intercept_unary_unary(self, continuation, details, request):
        fork_here("interceptor")
        return continuation(details, request)


def handle(request, context):
    fork_here("handler")
    return echo.Reply(request.text, context.peer(), os.getpid(), 0)


def main():
    say("parent calls back")
    called = threading.Event()
    call = stub.Unary.future(Request(text="x"))
    call.add_done_callback(lambda call: (fork_here("callback"), called.set()))
    assert called.wait(20) and call.result().text == "x"

    ready = threading.Event()

    def changed(state):
        if state is grpc.ChannelConnectivity.READY and not ready.is_set():
            fork_here("subscription")
            ready.set()

    channel.subscribe(changed, try_to_connect=True)
    assert ready.wait(20)
    channel.unsubscribe(changed)

    credentials = grpc.composite_channel_credentials(tls, grpc.metadata_call_credentials(Forking()))
    secure = EchoStub(grpc.secure_channel(options.tls, credentials))
    assert secure.Unary(Request(text="x"), timeout=30).text == "x"
    assert stub.ClientStream(requests(), timeout=30).text == "ab"
    assert channel.unary_unary("/samples.Echo/Unary", serialise, echo.decode_reply)(
        Request(text="x"), timeout=30).text == "x"
    intercepted = EchoStub(grpc.intercept_channel(channel, Intercepting()))
    assert intercepted.Unary(Request(text="x"), timeout=30).text == "x"

    server = grpc.server(futures.ThreadPoolExecutor(2))
    method = grpc.unary_unary_rpc_method_handler(handle, Request.decode, echo.encode_reply)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("samples.Echo", {"Unary": method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as own:
        assert EchoStub(own).Unary(Request(text="x"), timeout=30).text == "x"
    server.stop(None).wait()
    say("parent", stub.Unary(Request(text="x"), timeout=30).text)


if __name__ == "__main__":
    main()
