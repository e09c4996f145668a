"""A program that waits for each of its calls so long and no longer, and says so: its parent calls, then a
forked child, then the parent again."""

import argparse
import os
import signal
import sys

import grpc
from echo import EchoStub, Request

parser = argparse.ArgumentParser()
parser.add_argument("address")
parser.add_argument("--seconds", type=int, default=30)
options = parser.parse_args()

stub = EchoStub(grpc.insecure_channel(options.address))


def call(who):
    try:
        # What was sent is over a second earlier, if gRPC is there to tell.
        reply = stub.Unary.future(Request(text=who),
                                  timeout=options.seconds).result(options.seconds + 1)
        print(who, "peer", reply.peer, flush=True)
        return 0
    except grpc.FutureTimeoutError:
        print(who, "call timeout", flush=True)
    except grpc.RpcError as error:
        print(who, error.code(), error.details(), flush=True)
    return 1


def main():
    call("parent")
    child = os.fork()
    if child == 0:
        # A child of gRPC's can hang in its exit, too.
        signal.alarm(options.seconds + 10)
        os._exit(call("child"))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print("child exit", status, flush=True)
    sys.exit(call("parent after") or status != 0)


if __name__ == "__main__":
    main()
