"""Forks before, during and after the process's first use of grpc.

usage: fork_phases.py ADDRESS PHASE...

  before   a child is the first to use grpc; its parent has imported it
  during   children end at once, while another thread makes the process's first call
  after    a child calls over the channel that its parent has called over
"""

import os
import sys
import threading

import grpc
from echo import EchoStub, Request
from family import in_child, say

ADDRESS = sys.argv[1]
stub = None


def call(who):
    global stub
    stub = stub or EchoStub(grpc.insecure_channel(ADDRESS))
    say(who, "peer", stub.Unary(Request(text=who), timeout=30).peer)


def end_at_once():
    child = os.fork()
    if child == 0:
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def before():
    say("child exit", in_child(call, "child"))


def during():
    thread = threading.Thread(target=call, args=["parent"])
    thread.start()
    failed = 0
    while thread.is_alive():
        failed += not end_at_once()
    say("during failed", failed)


def after():
    call("parent")
    say("child exit", in_child(call, "child"))
    call("parent")


for phase in sys.argv[2:]:
    {"before": before, "during": during, "after": after}[phase]()
    say(phase, "ok")
