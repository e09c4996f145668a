"""A server in Python whose process forks: the parent goes on serving, the child stops what it
inherited and serves on a port of its own."""

import argparse
import asyncio
import os
import sys
import threading
from concurrent import futures

import grpc
import echo
from family import in_child, say

parser = argparse.ArgumentParser()
parser.add_argument("--certificates")
parser.add_argument("--local", action="store_true")
parser.add_argument("--aio", action="store_true")
options = parser.parse_args()
if options.aio:
    import grpc.aio


def read(name):
    with open(os.path.join(options.certificates, name), "rb") as file:
        return file.read()


def unary(request, context):
    return echo.Reply(request.text, context.peer(), os.getpid(), 0)


async def aio_unary(request, context):
    return unary(request, context)


def handlers(behaviour):
    method = grpc.unary_unary_rpc_method_handler(behaviour, echo.Request.decode, echo.encode_reply)
    return (grpc.method_handlers_generic_handler("samples.Echo", {"Unary": method}),)


if options.certificates:
    server_credentials = grpc.ssl_server_credentials([(read("server.key"), read("server.pem"))])
    client_credentials = grpc.ssl_channel_credentials(read("ca.pem"))
elif options.local:
    server_credentials = grpc.local_server_credentials()
    client_credentials = grpc.local_channel_credentials()
SECURE = options.certificates or options.local


def add_port(server):
    if SECURE:
        return server.add_secure_port("127.0.0.1:0", server_credentials)
    return server.add_insecure_port("127.0.0.1:0")


def open_channel(port):
    if SECURE:
        return grpc.secure_channel(f"127.0.0.1:{port}", client_credentials)
    return grpc.insecure_channel(f"127.0.0.1:{port}")


def start():
    server = grpc.server(futures.ThreadPoolExecutor(4), handlers(unary))
    port = add_port(server)
    server.start()
    return server, port


def ask(who, port):
    with open_channel(port) as channel:
        # gRPC before 1.61 may take errno from after connect() for its result (grpc/grpc#35064), and
        # tries again.
        reply = echo.EchoStub(channel).Unary(echo.Request(text=who), timeout=30, wait_for_ready=True)
    say(who, {os.getpid(): "itself", os.getppid(): "its parent"}.get(reply.pid, reply.pid))


def child(server, port):
    ask("child asks parent's", port)
    say("child waits", server.wait_for_termination(timeout=10))
    say("child stops", server.stop(None).wait(30))
    try:
        server.start()
        say("child restarts it")
    except ValueError as error:
        say("child can't start it:", error)
    mine, my_port = start()
    ask("child asks its own", my_port)
    say("child stops its own", mine.stop(None).wait(30))
    ask("child asks parent's again", port)


async def start_aio():
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(handlers(aio_unary))
    port = add_port(server)
    await server.start()
    return server, port


async def ask_aio(who, port):
    address = f"127.0.0.1:{port}"
    if SECURE:
        channel = grpc.aio.secure_channel(address, client_credentials)
    else:
        channel = grpc.aio.insecure_channel(address)
    async with channel:
        reply = await echo.EchoStub(channel).Unary(
            echo.Request(text=who), timeout=30, wait_for_ready=True)
    say(who, {os.getpid(): "itself", os.getppid(): "its parent"}.get(reply.pid, reply.pid))


async def child_aio(server, port):
    await ask_aio("child asks parent's", port)
    say("child waits", await asyncio.wait_for(server.wait_for_termination(), 10))
    say("child stops", await asyncio.wait_for(server.stop(None), 30))
    mine, my_port = await start_aio()
    await ask_aio("child asks its own", my_port)
    say("child stops its own", await mine.stop(None))
    await ask_aio("child asks parent's again", port)


def main():
    server, port = start()
    ask("parent", port)
    status = in_child(child, server, port)
    say("child exit", status)
    # A child that leaves it alone.
    say("idle child exit", in_child(lambda: None))
    ask("parent after", port)
    say("parent stops", server.stop(None).wait(30))
    sys.exit(status)


def main_aio():
    """The loop runs in a thread, so that the main thread can fork."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(60)

    server, port = run(start_aio())
    run(ask_aio("parent", port))
    status = in_child(lambda: asyncio.run(child_aio(server, port)))
    say("child exit", status)
    say("idle child exit", in_child(lambda: None))
    run(ask_aio("parent after", port))
    run(server.stop(None))
    say("parent stops True")
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    sys.exit(status)


if __name__ == "__main__":
    main_aio() if options.aio else main()
