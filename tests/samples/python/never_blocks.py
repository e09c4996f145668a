"""Calls of the parent's other threads that are under way when it forks, and end only by a call that
the forking thread makes after fork(): if fork() waited for them, nothing would go on."""

import argparse
import collections
import os
import queue
import subprocess
import sys
import threading
from concurrent import futures

import grpc
from family import say

METHODS = "began", "wait", "open"

parser = argparse.ArgumentParser()
parser.add_argument("under_way", choices=("unary", "stream", "handler", "serve"))
parser.add_argument("--forks", type=int, default=20)
options = parser.parse_args()


class Gates:
    """Handlers: `wait` answers when `open` was called with that name, `began` when `wait` was."""

    def __init__(self):
        self.lock = threading.Lock()
        self.opened = collections.defaultdict(threading.Event)
        self.begun = collections.defaultdict(threading.Event)

    def event(self, events, name):
        with self.lock:
            return events[name]

    def began(self, name, context):
        self.event(self.begun, name).wait()
        return name

    def wait(self, name, context):
        self.event(self.begun, name).set()
        self.event(self.opened, name).wait()
        return name

    def open(self, name, context):
        self.event(self.opened, name).set()
        return name

    def talk(self, names, context):
        for name in names:
            yield self.wait(name, context)


def serve():
    gates = Gates()
    handlers = {name: grpc.unary_unary_rpc_method_handler(getattr(gates, name)) for name in METHODS}
    handlers["talk"] = grpc.stream_stream_rpc_method_handler(gates.talk)
    server = grpc.server(futures.ThreadPoolExecutor(8),
                         (grpc.method_handlers_generic_handler("samples.Gates", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def serve_alone():
    """As a program of its own, without the shim, until standard input closes."""
    server, port = serve()
    say(port)
    sys.stdin.read()
    server.stop(None).wait()


class Client:

    def __init__(self, port):
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.began, self.wait, self.open = (
            self.channel.unary_unary(f"/samples.Gates/{name}") for name in METHODS)
        self.talk = self.channel.stream_stream("/samples.Gates/talk")


def in_child(client, name):
    """The status of a child that calls, too."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = client.open(name + b" of the child", timeout=30) != name + b" of the child"
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def fork_meanwhile(client, begin, end):
    failed = 0
    for number in range(options.forks):
        name = str(number).encode()
        begin(name)
        client.began(name)
        if number == 0:
            say(options.under_way, "is under way")
        failed += in_child(client, name) != 0
        client.open(name)
        assert end() == name
    say(options.under_way, "forks", options.forks, "children failed", failed)


def fork_beside(client, work, names, answers):
    thread = threading.Thread(target=work)
    thread.start()
    try:
        fork_meanwhile(client, names.put, answers.get)
    finally:
        names.put(None)
        thread.join()


def use_calls(client):
    """Also of a server of this process, whose handlers are then under way."""
    names, answers = queue.SimpleQueue(), queue.SimpleQueue()

    def keep_calling():
        for name in iter(names.get, None):
            answers.put(client.wait(name))

    fork_beside(client, keep_calling, names, answers)


def use_stream(client):
    names, answers = queue.SimpleQueue(), queue.SimpleQueue()
    replies = client.talk(iter(names.get, None))

    def keep_reading():
        for reply in replies:
            answers.put(reply)

    fork_beside(client, keep_reading, names, answers)


def main():
    if options.under_way == "handler":
        server, port = serve()
        client = Client(port)
        use_calls(client)
        client.channel.close()
        server.stop(None).wait()
        return
    environment = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
    server = subprocess.Popen([sys.executable, __file__, "serve"], env=environment,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    client = Client(int(server.stdout.readline()))
    {"unary": use_calls, "stream": use_stream}[options.under_way](client)
    client.channel.close()
    server.stdin.close()
    sys.exit(server.wait(30))


if __name__ == "__main__":
    serve_alone() if options.under_way == "serve" else main()
