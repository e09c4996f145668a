"""What goes on in greenlets when a program that uses gevent forks: handlers, plugins, requests, calls,
subscriptions.  The children have these greenlets, too; but the work is the parent's.

usage: greenlets_at_work.py TLS-ADDRESS CERTIFICATES idle|use|kill
"""

import os
import sys

from gevent import monkey
monkey.patch_all()

import gevent
import gevent.event
import grpc
import grpc.experimental.gevent
from concurrent import futures

import echo
from family import say

grpc.experimental.gevent.init_gevent()
tls_address, certificates, what = sys.argv[1:]
forked = gevent.event.Event()
begun = set()
PARENT = os.getpid()


def meanwhile(name):
    """Where the program's own code is when the process forks."""
    begun.add(name)
    forked.wait()


class Signing(grpc.AuthMetadataPlugin):

    def __call__(self, context, callback):
        meanwhile("plugin")
        callback((("x-sample", "signed"),), None)


def unary(request, context):
    meanwhile("handler")
    return request


def talk(requests, context):
    for request in requests:
        if request == b"second":
            meanwhile("talking handler")
        yield request


def requests():
    yield b"first"
    meanwhile("requests")
    yield b"second"


server = grpc.server(futures.ThreadPoolExecutor(8))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("samples.Work", {
    "unary": grpc.unary_unary_rpc_method_handler(unary),
    "talk": grpc.stream_stream_rpc_method_handler(talk),
}),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
channel = grpc.insecure_channel(f"127.0.0.1:{port}")
channel.subscribe(lambda state: None, try_to_connect=True)
call_unary = channel.unary_unary("/samples.Work/unary")
call_talk = channel.stream_stream("/samples.Work/talk")
with open(os.path.join(certificates, "ca.pem"), "rb") as file:
    transport = grpc.ssl_channel_credentials(file.read())
signed = grpc.secure_channel(tls_address, grpc.composite_channel_credentials(
    transport, grpc.metadata_call_credentials(Signing())))


def call_signed():
    return echo.EchoStub(signed).Unary(echo.Request(text="signed"), timeout=30).text.encode()


def two_requests():
    begun.add("second handler")
    yield b"second"


work = [
    gevent.spawn(call_unary, b"unary", timeout=30),
    gevent.spawn(lambda: call_unary.future(b"future", timeout=30).result()),
    gevent.spawn(lambda: b" ".join(call_talk(requests(), timeout=30))),
    gevent.spawn(lambda: b" ".join(call_talk(two_requests(), timeout=30))),
    gevent.spawn(call_signed),
]
while not {"plugin", "handler", "talking handler", "requests"} <= begun:
    gevent.sleep(0.01)
say("parent is at work")


def child():
    if what == "use":
        with grpc.secure_channel(tls_address, transport) as new:
            echo.EchoStub(new).Unary(echo.Request(), timeout=30)
    # The parent's work goes on as far as it is the program's own.
    forked.set()
    gevent.sleep(0.1)
    if what == "kill":
        gevent.killall(work)
        say("child has killed", all(greenlet.dead for greenlet in work))
    elif what == "use":
        echo.EchoStub(signed).Unary(echo.Request(), timeout=30)
    say("child has done nothing of it", not any(isinstance(greenlet.value, bytes) for greenlet in work))


pid = os.fork()
if pid == 0:
    status = 1
    try:
        child()
        status = 0
    finally:
        os._exit(status)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
say("child exit", status)
forked.set()
gevent.joinall(work, raise_error=True)
say("parent", b" ".join(greenlet.value for greenlet in work).decode())
channel.close()
signed.close()
server.stop(None).wait(30)
sys.exit(status)
