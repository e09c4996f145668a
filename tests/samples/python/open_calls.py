"""Calls that are open when the process forks."""

import sys
import threading
import time

import grpc
from echo import EchoStub, Request
from family import in_child, say

channel = grpc.insecure_channel(sys.argv[1])
stub = EchoStub(channel)
closing = threading.Event()


def slow_requests():
    yield Request(text="first")
    closing.wait()


talk = stub.BidiStream(slow_requests(), timeout=30)
first_talk = next(talk)
finished = stub.Unary.future(Request(text="finished"))
finished.result()
replies = stub.ServerStream(Request(text="s", count=4, delay_milliseconds=500), timeout=30)
# The answer comes after the forks.
unary = stub.Unary.future(Request(text="unary", delay_milliseconds=2500), timeout=30)
first_reply = next(replies)
called_back = []
unary.add_done_callback(lambda call: called_back.append(call.code()))


def end_of(call):
    started = time.perf_counter()
    try:
        next(call) if hasattr(call, "__next__") and call is not unary else call.result()
    except grpc.RpcError as error:
        # It has not waited for its deadline.
        return f"{error.code().name} {time.perf_counter() - started < 15} {error.details()}"
    raise AssertionError("the call goes on")


def child():
    say("child done", unary.done(), unary.running(), unary.is_active(), unary.code().name)
    say("child unary", end_of(unary))
    say("child exception", unary.exception().code().name)
    say("child stream", end_of(replies))
    say("child stream again", end_of(replies))
    say("child talk", end_of(talk))
    say("child metadata", replies.initial_metadata(), replies.trailing_metadata())
    say("child details", talk.details())
    unary.cancel()
    replies.cancel()
    late = []
    unary.add_done_callback(lambda call: late.append(call.code().name))
    say("child late callback", late)
    say("child early callbacks", called_back)
    say("child finished", finished.result().text, finished.code().name)
    say("child new", stub.Unary(Request(text="new"), timeout=30).text)


def silent_child():
    # Ends with everything still open, and lets go of it first.
    global unary, replies, talk, finished, stub, channel
    unary = replies = talk = finished = stub = channel = None
    import gc
    gc.collect()


def main():
    say("parent has open calls")
    say("child exit", in_child(child))
    say("silent child exit", in_child(silent_child))
    say("idle child exit", in_child(lambda: None))
    say("parent unary", unary.result().text)
    say("parent stream", [reply.sequence for reply in replies])
    closing.set()
    say("parent talk", [reply.text for reply in talk])
    say("parent callbacks", [code.name for code in called_back])
    channel.close()


if __name__ == "__main__":
    main()
