"""The package is upgraded while the program runs: another file is where cygrpc's was."""

import os
import shutil
import sys

import grpc
from echo import EchoStub, Request
from family import in_child, say

stub = EchoStub(grpc.insecure_channel(sys.argv[1]))
stub.Unary(Request(), timeout=30)
path = grpc._cython.cygrpc.__file__
shutil.copy(path, path + ".new")
os.replace(path + ".new", path)


def child():
    try:
        say("child", stub.Unary(Request(text="x"), timeout=30).text)
    except RuntimeError as error:
        say("child", "RuntimeError", error)


say("child exit", in_child(child))
say("parent", stub.Unary(Request(text="x"), timeout=30).text)
