"""grpcio, which has a gRPC in its extension, in a process with another gRPC in a library.

two_grpcs.py ADDRESS unprotected LIBRARY   the library was initialised before, and is not protected
two_grpcs.py ADDRESS later LIBRARY         a child of _Fork() loads it before it forks itself
"""

import ctypes
import os
import sys

from family import in_child, say, sockets

address, kind, path = sys.argv[1:]


def call():
    return stub.Unary(Request(), timeout=30).peer


def child(peer):
    say("child works", call() != peer)


def unprotected():
    peer, opened = call(), sockets()
    status = in_child(child, peer)
    say("parent's sockets", "kept" if opened <= sockets() else "lost")
    say("parent peer", "kept" if call() == peer else "lost")
    say("child exit", status)


def later():
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "_Fork"):
        say("_Fork absent")
        return
    before = sockets()
    peer = call()
    opened = sockets() - before
    pid = libc._Fork()
    if pid == 0:
        ctypes.CDLL(path)
        say("grandchild exit", in_child(child, peer))
        say("child's of its parent's sockets", len(sockets() & opened))
        child(peer)
        os._exit(0)
    say("child exit", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    say("parent peer", "kept" if call() == peer else "lost")


if kind == "unprotected":
    ctypes.CDLL(path, ctypes.RTLD_GLOBAL)
    # Whoever stands in front of it is to see this.
    ctypes.CDLL(None).grpc_init()
import grpc  # noqa: E402
from echo import EchoStub, Request  # noqa: E402

stub = EchoStub(grpc.insecure_channel(address))
unprotected() if kind == "unprotected" else later()
