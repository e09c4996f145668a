"""A WSGI application for gunicorn's gevent workers, whose channel is made when it is loaded.

SAMPLE_GEVENT says who asks for gRPC's gevent support: `application`, when it is loaded, or `worker`
(web_hooks.py).  With SAMPLE_PRELOAD the channel is also used then: before the workers are forked.
"""

import os

if os.environ["SAMPLE_GEVENT"] == "application":
    from gevent import monkey
    monkey.patch_all()

import grpc
import grpc.experimental.gevent
from echo import EchoStub, Request


def turns_meanwhile(stub, request):
    """The reply, and how many turns another greenlet had until it came."""
    import gevent
    turns = []

    def take_turns():
        while True:
            # The first ones leave the processor to nobody: a busy machine might not give it back in time.
            gevent.sleep(0 if len(turns) < 10 else 0.005)
            turns.append(1)

    other = gevent.spawn(take_turns)
    try:
        return stub.Unary(request, timeout=30), len(turns)
    finally:
        other.kill()


def application(environ, start_response):
    request = Request(text=environ["PATH_INFO"], delay_milliseconds=100)
    reply, turns = turns_meanwhile(stub, request)
    own = EchoStub(grpc.insecure_channel(os.environ["SAMPLE_ADDRESS"]))
    again, more_turns = turns_meanwhile(own, request)
    start_response("200 OK" if min(turns, more_turns) > 2 else "500 No turns",
                   [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {reply.peer} {again.text} {MASTER[0]} {MASTER[1]}\n".encode()]


if os.environ["SAMPLE_GEVENT"] == "application":
    grpc.experimental.gevent.init_gevent()
channel = grpc.insecure_channel(os.environ["SAMPLE_ADDRESS"])
stub = EchoStub(channel)
MASTER = os.getppid(), "none"
if "SAMPLE_PRELOAD" in os.environ:
    MASTER = os.getpid(), stub.Unary(Request(), timeout=30).peer
