"""A web application's worker: channel and stub are made at import, its workers are forked."""

import os
import sys

import grpc
from echo import EchoStub, Request

channel = grpc.insecure_channel(sys.argv[1])
stub = EchoStub(channel)


def call(who):
    try:
        reply = stub.Unary(Request(text=who), timeout=30)
        print(who, "text", reply.text)
        print(who, "peer", reply.peer, flush=True)
        return 0
    except grpc.RpcError as error:
        print(who, "failed", error.code(), error.details(), flush=True)
        return 1


def main():
    call("parent")
    child = os.fork()
    if child == 0:
        sys.exit(call("child"))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print("child exit", status)
    sys.exit(call("parent after") or status != 0)


if __name__ == "__main__":
    main()
