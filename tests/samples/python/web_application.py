"""A WSGI application whose channel is made, and used, when it is loaded: before the workers."""

import os

import grpc
from echo import EchoStub, Request

channel = grpc.insecure_channel(os.environ["SAMPLE_ADDRESS"])
stub = EchoStub(channel)
MASTER = os.getpid(), stub.Unary(Request(), timeout=30).peer


def application(environ, start_response):
    reply = stub.Unary(Request(text=environ["PATH_INFO"]), timeout=30)
    own = EchoStub(grpc.insecure_channel(os.environ["SAMPLE_ADDRESS"]))
    again = own.Unary(Request(text=reply.text), timeout=30)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {reply.peer} {again.text} {MASTER[0]} {MASTER[1]}\n".encode()]
