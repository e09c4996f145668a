"""grpcio, which has a gRPC in its extension, and plugins that are each linked with another: children use all.

beside_library.py ADDRESS extension|library PLUGIN...   the plugins are core_plugin.so's; what is used first
"""

import ctypes
import os
import sys

from family import in_child, say, sockets

address, first, *paths = sys.argv[1:]
libc = ctypes.CDLL(None)


class Library:

    def __init__(self, path):
        self.plugin = ctypes.CDLL(path, ctypes.RTLD_LOCAL)
        for name in "plugin_open", "plugin_call", "plugin_call_new":
            getattr(self.plugin, name).restype = ctypes.c_bool
        self.plugin.plugin_peer.restype = ctypes.c_char_p
        # The plugin keeps it.
        self.address = address.encode()
        self.use("plugin_open", "parent", self.address)

    def use(self, name, who, *arguments):
        passed = getattr(self.plugin, name)(f"{who} library".encode(), *arguments)
        libc.fflush(None)
        if not passed:
            sys.exit(1)

    def call(self, who):
        self.use("plugin_call", who)

    def call_new(self, who):
        self.use("plugin_call_new", who)

    def peer(self):
        return self.plugin.plugin_peer().decode()


class Extension:

    def __init__(self):
        import grpc
        from echo import EchoStub, Request

        self.make_stub = lambda: EchoStub(grpc.insecure_channel(address))
        self.request = Request()
        self.stub = self.make_stub()
        # What the last call came over, in this process and in its parent.
        self.own = self.parents = self.process = None
        self.call("parent")

    def get_peer(self, who, stub):
        peer = stub.Unary(self.request, timeout=10).peer
        say(who, "extension", "peer", peer)
        if peer == (self.parents if self.process == os.getpid() else self.own):
            say(who, "extension", "connection of the parent")
            sys.exit(1)
        return peer

    def call(self, who):
        peer = self.get_peer(who, self.stub)
        if self.process != os.getpid():
            self.own, self.parents, self.process = peer, self.own, os.getpid()
        elif peer != self.own:
            say(who, "extension", "connection lost")
            sys.exit(1)

    def call_new(self, who):
        self.get_peer(who, self.make_stub())

    def peer(self):
        return self.own


def use(who, cores):
    for core in cores:
        core.call(who)
        core.call_new(who)
    # Two with one connection would be one core.
    if len({core.peer() for core in cores}) < len(cores):
        say(who, "connections FAILED")
        sys.exit(1)


def use_and_fork(cores):
    use("child", cores)
    say("grandchild exit", in_child(use, "grandchild", cores[::-1]))
    use("child", cores)


cores = []
if first == "extension":
    cores.append(Extension())
cores += [Library(path) for path in paths]
if first == "library":
    cores.append(Extension())
use("parent", cores)
opened = sockets()
statuses = [in_child(use_and_fork, cores), in_child(use, "backwards", cores[::-1])]
statuses += [in_child(use, "one", [core]) for core in cores]
statuses.append(in_child(lambda: None))
say("parent's sockets", "kept" if opened <= sockets() else "lost")
use("parent after", cores)
say("children", *statuses)
sys.exit(any(statuses))
