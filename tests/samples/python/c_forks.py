"""Forks made from C: Python's own hooks don't run, and with _Fork not even libc's.

usage: c_forks.py ADDRESS [fork] [_Fork]     without any, both
"""

import ctypes
import gc
import os
import sys

import grpc
from echo import EchoStub, Request
from family import sockets

ADDRESS = sys.argv[1]
stub = EchoStub(grpc.insecure_channel(ADDRESS))
# PyDLL keeps the interpreter's lock.
libc = ctypes.PyDLL(None)


def main():
    parent = stub.Unary(Request(), timeout=30).peer
    parents_sockets = sockets()
    for name in sys.argv[2:] or ("fork", "_Fork"):
        if not hasattr(libc, name):
            print(name, "absent")
            continue
        child = getattr(libc, name)()
        if child == 0:
            status = 1
            try:
                # Garbage collection before the first call must not reach the parent's core.
                spare = grpc.insecure_channel(ADDRESS) if name == "fork" else None
                del spare
                gc.collect()
                inherited = stub.Unary(Request(text=name), timeout=30)
                new = EchoStub(grpc.insecure_channel(ADDRESS)).Unary(Request(), timeout=30)
                assert inherited.text == name and parent not in (inherited.peer, new.peer)
                assert not parents_sockets & sockets()
                print(name, "child", "works", flush=True)
                status = 0
            finally:
                os._exit(status)
        print(name, "exit", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    assert stub.Unary(Request(), timeout=30).peer == parent
    print("parent same")


if __name__ == "__main__":
    main()
