"""A web application that asks another service for each answer.

Its channel is opened when it is loaded: once, by the server's master process, and a thread of the master keeps
an eye on the service. ECHO_ADDRESS is the service, HEARTBEAT a file to which the master writes what it saw.
"""

import os
import threading
import time

import grpc
from echo import EchoStub, Request

stub = EchoStub(grpc.insecure_channel(os.environ["ECHO_ADDRESS"]))


def ask(text):
    return stub.Unary(Request(text=text), timeout=50).peer


def watch(loaded):
    log = os.open(os.environ["HEARTBEAT"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    while True:
        try:
            peer = ask("alive")
        except grpc.RpcError:
            peer = "failed"
        os.write(log, f"{os.getpid()} {loaded} {peer} {time.monotonic()}\n".encode())
        time.sleep(0.05)


ask("warm up")
threading.Thread(target=watch, args=[time.monotonic()], daemon=True).start()


def application(environment, start_response):
    answer = f"{os.getpid()} {ask('hello')}\n".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))])
    return [answer]
