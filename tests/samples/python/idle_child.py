"""A child that never uses the grpc that its parent used, and exits like any program."""

import os
import sys

import grpc
from echo import EchoStub, Request
from family import in_child, say, sockets

own = open(__file__)
channel = grpc.insecure_channel(sys.argv[1])
stub = EchoStub(channel)


def mapped():
    with open("/proc/self/maps") as file:
        return sum("cygrpc" in line for line in file)


def child(parents_sockets, parents_mapped):
    threads = len(os.listdir("/proc/self/task"))
    say("child's of them", len(sockets() & parents_sockets), "threads", threads, "mapped",
        mapped() - parents_mapped, "own file", "open" if own.read(3) == '"""' else "lost")
    # What it inherited is let go before it ends.
    global stub, channel
    stub = channel = None


def main():
    before = sockets()
    stub.Unary(Request(), timeout=30)
    opened = sockets() - before
    say("parent's sockets", "some" if opened else "none")
    say("child exit", in_child(child, opened, mapped()))
    stub.Unary(Request(), timeout=30)


if __name__ == "__main__":
    main()
