"""Connectivity: subscriptions and futures for a channel that gets ready."""

import queue
import sys

import grpc
from echo import EchoStub, Request
from family import in_child, say

states = queue.Queue()
channel = grpc.insecure_channel(sys.argv[1])
waiting = grpc.channel_ready_future(channel)
nobody = grpc.insecure_channel("127.0.0.1:1")
nobody_ready = grpc.channel_ready_future(nobody)


def until_ready(states):
    seen = []
    while not seen or seen[-1] is not grpc.ChannelConnectivity.READY:
        seen.append(states.get(timeout=30))
    return seen[-1].name


def child():
    say("child inherited future", waiting.result(timeout=30))
    try:
        nobody_ready.result(timeout=0.5)
    except grpc.FutureTimeoutError:
        say("child nobody is still waited for")
    # What was subscribed before the fork goes on here, on this process's connection.
    say("child inherited subscription", until_ready(states))
    mine = queue.Queue()
    channel.subscribe(mine.put, try_to_connect=True)
    say("child new subscription", until_ready(mine))
    channel.unsubscribe(mine.put)
    grpc.channel_ready_future(grpc.insecure_channel(sys.argv[1])).result(timeout=30)
    say("child new future ready")
    say("child call", EchoStub(channel).Unary(Request(text="x"), timeout=30).text)


def main():
    channel.subscribe(states.put, try_to_connect=True)
    say("parent", until_ready(states))
    status = in_child(child)
    say("child exit", status)
    say("parent call", EchoStub(channel).Unary(Request(text="x"), timeout=30).text)
    channel.unsubscribe(states.put)
    sys.exit(status)


if __name__ == "__main__":
    main()
