"""A server of a program that uses gevent: its children serve, too, each on a port of its own and all on
one port (SO_REUSEPORT); the parent goes on serving.  Handlers of the parent's server are at work
whenever it forks.
"""

import os
import socket
import sys

from gevent import monkey
monkey.patch_all()

import gevent
import grpc
import grpc.experimental.gevent
from concurrent import futures

import echo
from family import in_child, say

grpc.experimental.gevent.init_gevent()
WORKERS = 2
AT_WORK = 4


def unary(request, context):
    gevent.sleep(request.delay_milliseconds / 1000)
    return echo.Reply(request.text, context.peer(), os.getpid(), 0)


def start(address="127.0.0.1:0"):
    server = grpc.server(futures.ThreadPoolExecutor(8), options=(("grpc.so_reuseport", 1),))
    method = grpc.unary_unary_rpc_method_handler(unary, echo.Request.decode, echo.encode_reply)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("samples.Echo", {"Unary": method}),))
    port = server.add_insecure_port(address)
    server.start()
    return server, f"127.0.0.1:{port}"


def ask(address, delay=0):
    with grpc.insecure_channel(address) as channel:
        request = echo.Request(text="x", delay_milliseconds=delay)
        return echo.EchoStub(channel).Unary(request, timeout=30, wait_for_ready=True).pid


def read(descriptor):
    """Others have their turns meanwhile."""
    return gevent.get_hub().threadpool.apply(os.read, (descriptor, 1))


def relation(pid):
    return {os.getpid(): "itself", os.getppid(): "its parent"}.get(pid, "another")


def worker(server, address, shared, ready, end):
    say("child asks its parent's", relation(ask(address)))
    say("child stops its parent's", server.stop(None).wait(30))
    # Handlers of the parent's would go on in its greenlets meanwhile.
    mine, my_address = start()
    say("child asks its own", relation(ask(my_address, 300)))
    say("child stops its own", mine.stop(None).wait(30))
    member, _ = start(shared)
    os.write(ready, b"x")
    read(end)
    member.stop(None).wait(30)


def main():
    server, address = start()
    # Keeps the port for the workers, who bind it as well.
    with socket.socket() as placeholder:
        placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        placeholder.bind(("127.0.0.1", 0))
        shared = "127.0.0.1:%d" % placeholder.getsockname()[1]
        say("parent", relation(ask(address)))
        at_work = [gevent.spawn(ask, address, 200) for _ in range(AT_WORK)]
        gevent.sleep(0.1)
        ready, signal_ready = os.pipe()
        await_end, end = os.pipe()
        children = []
        for _ in range(WORKERS):
            child = os.fork()
            if child == 0:
                os.close(end)
                status = 1
                try:
                    worker(server, address, shared, signal_ready, await_end)
                    status = 0
                finally:
                    # A thread of gevent's that ends in a child prints an error of Python's own.
                    os._exit(status)
            children.append(child)
        gevent.joinall(at_work, raise_error=True)
        say("parent's handlers", *{relation(asking.value) for asking in at_work})
        os.close(signal_ready)
        # The parent serves its children meanwhile.
        started = b""
        while len(started) < WORKERS:
            started += read(ready) or b"ended"
        # The kernel gives each connection to one of them.
        answered = {ask(shared) for _ in range(64)}
        say("parent asks workers", answered == set(children))
        os.close(end)
        statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        say("workers exit", *statuses)
    say("parent after", relation(ask(address)))
    say("parent stops", server.stop(None).wait(30))
    sys.exit(any(statuses))


if __name__ == "__main__":
    main()
