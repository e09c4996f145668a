"""Each kind of call, each way to make it, by a stub from before the fork and by a new one."""

import argparse
import gc
import sys

import grpc
import grpc.experimental
from echo import EchoStub, Request
from family import in_child, say

parser = argparse.ArgumentParser()
parser.add_argument("address")
parser.add_argument("--used", action="store_true", help="the parent calls before it forks")
parser.add_argument("--single-threaded", action="store_true")
options = parser.parse_args()


class Details(grpc.ClientCallDetails):

    def __init__(self, details, metadata):
        self.method, self.timeout = details.method, details.timeout
        self.credentials, self.metadata = details.credentials, metadata
        self.wait_for_ready = details.wait_for_ready
        self.compression = details.compression


def open_channel():
    settings = [("grpc.primary_user_agent", "kinds")]
    if options.single_threaded:
        settings.append((grpc.experimental.ChannelOptions.SingleThreadedUnaryStream, 1))
    return grpc.insecure_channel(options.address, options=settings,
                                 compression=grpc.Compression.Gzip)


def requests():
    return iter([Request(text="a"), Request(text="b"), Request(text="c")])


def trailing(call, key):
    return dict(call.trailing_metadata()).get(key)


def call_all(stub):
    """Raises, or returns the number of different calls."""
    done = 0

    def check(condition):
        nonlocal done
        if not condition:
            raise AssertionError(f"call {done}")
        done += 1

    check(stub.Unary(Request(text="x"), timeout=30).text == "x")
    reply, call = stub.Unary.with_call(Request(text="x"), timeout=30, wait_for_ready=True,
                                       metadata=(("x-sample", "seen"),))
    check(reply.text == "x" and call.code() is grpc.StatusCode.OK)
    check(trailing(call, "echo-x-sample") == "seen")
    check(trailing(call, "echo-user-agent").startswith("kinds"))
    future = stub.Unary.future(Request(text="x"), timeout=30,
                               compression=grpc.Compression.Deflate)
    check(future.result(timeout=30).text == "x" and future.done() and not future.cancelled())
    check(stub.ClientStream(requests(), timeout=30).text == "abc")
    check(stub.ClientStream.with_call(requests(), timeout=30)[0].text == "abc")
    check(stub.ClientStream.future(requests(), timeout=30).result().text == "abc")
    replies = stub.ServerStream(Request(text="s", count=5), timeout=30)
    check([reply.sequence for reply in replies] == [0, 1, 2, 3, 4])
    check(replies.code() is grpc.StatusCode.OK)
    replies = stub.BidiStream(requests(), timeout=30)
    check([reply.text for reply in replies] == ["a", "b", "c"])
    try:
        stub.Unary(Request(delay_milliseconds=5000), timeout=0.05)
        check(False)
    except grpc.RpcError as error:
        check(error.code() is grpc.StatusCode.DEADLINE_EXCEEDED)
    future = stub.Unary.future(Request(delay_milliseconds=5000))
    future.cancel()
    check(future.cancelled() and future.code() is grpc.StatusCode.CANCELLED)
    return done


class Tagging(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor,
              grpc.StreamUnaryClientInterceptor, grpc.StreamStreamClientInterceptor):
    """Adds a field to the metadata of each call."""

    def _call(self, continuation, details, request):
        return continuation(
            Details(details, list(details.metadata or []) + [("x-sample", "intercepted")]), request)

    intercept_unary_unary = intercept_unary_stream = _call
    intercept_stream_unary = intercept_stream_stream = _call


def call_intercepted(channel):
    _, call = EchoStub(channel).Unary.with_call(Request(text="x"), timeout=30)
    return trailing(call, "echo-x-sample")


channel = open_channel()
stub = EchoStub(channel)
intercepted = grpc.intercept_channel(channel, Tagging())
intercepted_stub = EchoStub(intercepted)


def peer():
    return stub.Unary(Request(), timeout=30).peer


def child():
    modules = set(sys.modules)
    say("child peer", peer())
    say("child inherited", call_all(stub))
    # What the import of the copy changes meanwhile is as it was.
    assert gc.isenabled() and None not in sys.modules.values()
    assert {name for name in modules if name.startswith("grpc")} <= set(sys.modules)
    say("child intercepted", call_all(intercepted_stub), call_intercepted(intercepted))
    with open_channel() as mine:
        say("child new", call_all(EchoStub(mine)))
    say("grandchild exit", in_child(lambda: say("grandchild inherited", call_all(stub))))


def main():
    if options.used:
        say("parent", call_all(stub))
        say("parent peer", peer())
    else:
        say("parent has not called")
    status = in_child(child)
    say("child exit", status)
    say("parent after", call_all(stub))
    channel.close()
    sys.exit(status)


if __name__ == "__main__":
    main()
