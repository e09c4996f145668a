"""grpc is imported by the child alone, or by importlib, or in the parent by another thread."""

import importlib
import os
import sys
import threading

ADDRESS, WHO = sys.argv[1:]


def call(grpc):
    from echo import EchoStub, Request
    channel = grpc.insecure_channel(ADDRESS)
    return channel, EchoStub(channel).Unary(Request(text="x"), timeout=30).peer


def child(body):
    pid = os.fork()
    if pid == 0:
        body()
        print("child works", flush=True)
        os._exit(0)
    print("child exit", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def grandchild():
    import grpc
    channel, peer = call(grpc)

    def again():
        from echo import EchoStub, Request
        assert EchoStub(channel).Unary(Request(), timeout=30).peer != peer

    child(again)


def main():
    if WHO == "child":
        child(grandchild)
        import grpc
        call(grpc)
        child(lambda: call(grpc))
    elif WHO == "importlib":
        grpc = importlib.import_module("grpc")
        importlib.import_module("grpc._channel")
        channel, peer = call(grpc)
        child(lambda: call(grpc))
    elif WHO == "thread":
        loaded = []
        thread = threading.Thread(target=lambda: loaded.append(importlib.import_module("grpc")))
        thread.start()
        thread.join()
        call(loaded[0])
        child(lambda: call(loaded[0]))
    elif WHO == "unused":
        import grpc
        child(lambda: call(grpc))


if __name__ == "__main__":
    main()
