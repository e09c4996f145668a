"""The situations that gRPC's own fork support in Python is meant for, each of them alone: those of upstream's
tests, and what programs do that have nothing else under way at a fork.

usage: fork_scenarios.py ADDRESS SCENARIO
       fork_scenarios.py --list           upstream's
       fork_scenarios.py --list-others
"""

import asyncio
import multiprocessing
import os
import queue
import signal
import sys
import threading

import grpc
from echo import EchoStub, Request
from family import in_child, say

try:
    import grpc.aio
except ImportError:
    pass  # it came with 1.32

SECONDS = 30


def open_channel():
    return grpc.insecure_channel(sys.argv[1])


def call(channel):
    assert EchoStub(channel).Unary(Request(text="x" * 50000), timeout=SECONDS).text[-1] == "x"


def call_future(channel):
    future = EchoStub(channel).Unary.future(Request(text="x" * 50000), timeout=SECONDS)
    assert future.result().text[-1] == "x"


def call_by_new(way):
    with open_channel() as channel:
        way(channel)


def begin_child(body):
    """The child is awaited later: its parent calls meanwhile."""
    child = os.fork()
    if child:
        return child
    signal.alarm(2 * SECONDS)
    status = 1
    try:
        body()
        status = 0
    except BaseException as error:
        say("child", type(error).__name__, str(error).replace("\n", " ")[:200])
    finally:
        os._exit(status)


def end_children(*children):
    statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert not any(statuses), f"children ended with {statuses}"


# --- one call after the other ---


def unary(new, way):
    with open_channel() as channel:
        way(channel)
        child = begin_child(lambda: call_by_new(way) if new else way(channel))
        way(channel)
        end_children(child)


def closed_channels():
    """A child closes what its parent has open, and has what its parent closed."""
    with open_channel() as channel:
        call(channel)
    with open_channel() as channel:

        def body():
            channel.close()
            call_by_new(call)

        child = begin_child(body)
        call(channel)
        end_children(child)


# --- watches ---


def watch(channel, states):
    ready = threading.Event()

    def note(state):
        states.append(state)
        if state is grpc.ChannelConnectivity.READY:
            ready.set()

    channel.subscribe(note)
    return note, ready


def connectivity_watch():
    """Each process hears of its own connections."""
    states = []

    def body():
        with open_channel() as mine:
            note, ready = watch(mine, [])
            call_future(mine)
            assert ready.wait(SECONDS), "the child's channel is not said to be ready"
            assert len(states) <= 1, "the child hears of its parent's channel"
            mine.unsubscribe(note)

    with open_channel() as channel:
        note, ready = watch(channel, states)
        child = begin_child(body)
        call_future(channel)
        assert ready.wait(SECONDS), "the parent's channel is not said to be ready"
        channel.unsubscribe(note)
        end_children(child)


# --- a stream that is open whenever the process forks ---


def in_stream(body, after_end=True):
    with open_channel() as channel:
        requests, children = queue.SimpleQueue(), []
        replies = EchoStub(channel).BidiStream(iter(requests.get, None))

        def fork():
            children.append(begin_child(lambda: body(channel, replies)))

        for number in range(4):
            requests.put(Request(text=str(number)))
            if number:
                fork()  # the answer is on its way
            assert next(replies).text == str(number)
            fork()
        requests.put(None)
        if after_end:
            fork()
        assert list(replies) == []
        end_children(*children)


def inherited_stream(channel, replies):
    call_future(channel)
    assert replies.code() is grpc.StatusCode.CANCELLED, replies.code()


# --- and others ---


def end_in_order(leave):
    """The child uses what it inherited and something new, and does not end by os._exit."""
    channel = open_channel()
    call(channel)
    child = os.fork()
    if child == 0:
        signal.alarm(2 * SECONDS)
        call(channel)
        call_by_new(call)
        leave()
        return
    end_children(child)
    call(channel)


def generations(channel, depth, new):
    way = (lambda: call_by_new(call)) if new else (lambda: call(channel))
    way()
    if depth:
        assert in_child(generations, channel, depth - 1, new) == 0, f"generation {3 - depth}"
        way()


def grandchildren(new):
    with open_channel() as channel:
        generations(channel, 3, new)


def work(_):
    call(SHARED[0])
    call_by_new(call)
    return os.getpid()


SHARED = []


def pool_of_workers():
    """Those of the standard library; the channel is a global of the program's."""
    SHARED.append(open_channel())
    call(SHARED[0])
    fork = multiprocessing.get_context("fork")
    with fork.Pool(3) as pool:
        assert os.getpid() not in pool.map(work, range(12), chunksize=1)
        pool.close()
        pool.join()
    call(SHARED[0])


def multiprocess():
    SHARED.append(open_channel())
    call(SHARED[0])
    processes = [multiprocessing.get_context("fork").Process(target=work, args=(i,)) for i in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert not any(process.exitcode for process in processes)
    call(SHARED[0])


def aio(new):
    """Each process has a loop of its own."""

    async def call_aio(channel):
        assert (await EchoStub(channel).Unary(Request(text="x"), timeout=SECONDS)).text == "x"

    async def call_by_new_aio():
        async with grpc.aio.insecure_channel(sys.argv[1]) as channel:
            await call_aio(channel)

    async def begin():
        channel = grpc.aio.insecure_channel(sys.argv[1])
        await call_aio(channel)
        return channel

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    channel = loop.run_until_complete(begin())
    child = begin_child(lambda: asyncio.run(call_by_new_aio() if new else call_aio(channel)))
    loop.run_until_complete(call_aio(channel))
    end_children(child)
    loop.run_until_complete(channel.close())


UPSTREAMS = {
    "connectivity-watch": connectivity_watch,
    "closed-channels": closed_channels,
    "future-same-channel": lambda: unary(False, call_future),
    "future-new-channel": lambda: unary(True, call_future),
    "unary-same-channel": lambda: unary(False, call),
    "unary-new-channel": lambda: unary(True, call),
    "stream-and-its-end": lambda: in_stream(inherited_stream, after_end=False),
    "stream-future-same-channel": lambda: in_stream(lambda channel, _: call_future(channel)),
    "stream-unary-same-channel": lambda: in_stream(lambda channel, _: call(channel)),
    "stream-future-new-channel": lambda: in_stream(lambda *_: call_by_new(call_future)),
    "stream-unary-new-channel": lambda: in_stream(lambda *_: call_by_new(call)),
}

OTHERS = {
    "return": lambda: end_in_order(lambda: None),
    "sys-exit": lambda: end_in_order(sys.exit),
    "grandchildren-same-channel": lambda: grandchildren(False),
    "grandchildren-new-channel": lambda: grandchildren(True),
    "process": multiprocess,
    "pool": pool_of_workers,
}
if hasattr(grpc, "aio"):
    OTHERS.update({"aio-same-channel": lambda: aio(False), "aio-new-channel": lambda: aio(True)})

if sys.argv[1].startswith("--list"):
    print("\n".join(OTHERS if sys.argv[1] == "--list-others" else UPSTREAMS))
else:
    {**UPSTREAMS, **OTHERS}[sys.argv[2]]()
    say("passed")
