"""The program of the report: the parent calls, then a multiprocessing.Process makes a channel of
its own to the same server and calls."""

import multiprocessing
import sys

import grpc
from echo import EchoStub, Request

ADDRESS = sys.argv[1]


def call(who):
    channel = grpc.insecure_channel(ADDRESS)
    reply = EchoStub(channel).Unary(Request(text=who), timeout=30)
    print(who, "peer", reply.peer, flush=True)
    return channel


if __name__ == "__main__":
    channel = call("parent")
    process = multiprocessing.get_context("fork").Process(target=call, args=("child",))
    process.start()
    process.join()
    print("child exit", process.exitcode)
    print("parent after peer", EchoStub(channel).Unary(Request(), timeout=30).peer)
    sys.exit(process.exitcode != 0)
