"""What a program sets in cygrpc for all of gRPC is set in its children, whoever sets it and in what order.

usage: set_functions.py TLS-ADDRESS CERTIFICATES
"""

import ctypes
import os
import sys
import threading

import grpc
from echo import EchoStub, Request
from family import in_child, say
from grpc._cython import cygrpc

address, certificates = sys.argv[1:]
used = set()


class Signing(grpc.AuthMetadataPlugin):

    def __call__(self, context, callback):
        callback((("x-sample", "signed"),), None)


class Plugin:
    """Of observability: as far as gRPC asks it without a server."""

    memory = ctypes.create_string_buffer(1024)

    def create_server_call_tracer_factory(self, **unused):
        used.add("tracer")
        make = ctypes.pythonapi.PyCapsule_New
        make.restype, make.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p,
                                                         ctypes.c_void_p)
        return make(ctypes.addressof(self.memory), b"server_call_tracer_factory", None)


def run_callback(name):
    """How a plugin's work is begun, if the program has its own way for that."""

    def run(function, args):
        used.add(name)
        threading.Thread(target=function, args=args, daemon=True).start()

    return run


def call():
    _, call = EchoStub(channel).Unary.with_call(Request(), timeout=30)
    return dict(call.trailing_metadata()).get("echo-x-sample")


def set_all(name):
    sys.modules[cygrpc.__name__].set_async_callback_func(run_callback(name))


def show(who):
    used.clear()
    say(who, "plugin", call(), *sorted(used))


def grandchild():
    show("grandchild")


def child():
    show("child")
    set_all("child's")
    show("child again")
    say("grandchild exit", in_child(grandchild))


def new_child():
    """The first that it does is to set something."""
    set_all("new")
    show("new child")


with open(os.path.join(certificates, "ca.pem"), "rb") as file:
    transport = grpc.ssl_channel_credentials(file.read())
channel = grpc.secure_channel(address, grpc.composite_channel_credentials(
    transport, grpc.metadata_call_credentials(Signing())))
if hasattr(cygrpc, "set_server_call_tracer_factory"):
    cygrpc.set_server_call_tracer_factory(Plugin())
    say("tracer", *used)
set_all("first")
set_all("parent's")
show("parent")
say("child exit", in_child(child))
say("new child exit", in_child(new_child))
show("parent after")
