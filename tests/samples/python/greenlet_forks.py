"""Greenlets call without a pause while their process forks; each child calls, too, and ends as it is told.

usage: greenlet_forks.py ADDRESS exit|kill|idle [FORKS]

  kill  it ends its parent's greenlets before
  idle  it does not call, and lets its greenlets run
"""

import os
import sys

from gevent import monkey
monkey.patch_all()

import gevent
import grpc
import grpc.experimental.gevent
from echo import EchoStub, Request
from family import in_child, say

# More than gevent has native threads for.
CALLERS = 14

grpc.experimental.gevent.init_gevent()
address, ending = sys.argv[1:3]
stub = EchoStub(grpc.insecure_channel(address))
stopping, calls = [], [0]


def keep_calling():
    while not stopping:
        assert stub.Unary(Request(text="x"), timeout=30).text == "x"
        calls[0] += 1


def child():
    if ending == "idle":
        gevent.sleep(0.001)
    else:
        assert stub.Unary(Request(text="inherited"), timeout=30).text == "inherited"
    if ending == "kill":
        gevent.killall(callers)
    # One for its call, one for grpc's own greenlet; none for what its parent's greenlets are at.
    threads = gevent.get_hub().threadpool.size
    assert threads <= (0 if ending == "idle" else 2), threads


callers = [gevent.spawn(keep_calling) for _ in range(CALLERS)]
while calls[0] < CALLERS:
    gevent.sleep(0.001)
statuses = []
for _ in range(int(sys.argv[3]) if sys.argv[3:] else 60):
    statuses.append(in_child(child))
    gevent.sleep(0.001)
stopping.append(True)
gevent.joinall(callers, raise_error=True)
say("children", len(statuses), "failed", sum(status != 0 for status in statuses))
say("parent calls", calls[0])
sys.exit(any(statuses))
