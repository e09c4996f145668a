"""The ways of the standard library to have workers, all of which fork.

usage: pools.py ADDRESS [--alone]
"""

import concurrent.futures
import multiprocessing
import multiprocessing.managers
import os
import sys
import threading

import grpc
from echo import EchoStub, Request

ADDRESS = sys.argv[1]
# Without it a thread of the parent calls meanwhile.
ALONE = "--alone" in sys.argv[2:]
stub = EchoStub(grpc.insecure_channel(ADDRESS))
fork = multiprocessing.get_context("fork")


def call(number):
    """Through the inherited stub, and through a channel of its own."""
    own = grpc.insecure_channel(ADDRESS)
    reply = stub.Unary(Request(text=str(number)), timeout=30)
    again = EchoStub(own).Unary(Request(text=reply.text), timeout=30)
    return os.getpid(), reply.peer, again.text


def initialise():
    stub.Unary(Request(text="initialise"), timeout=30)


class Caller:

    def call(self, number):
        return call(number)


class Manager(multiprocessing.managers.BaseManager):
    pass


Manager.register("Caller", Caller)


def into(queue, number):
    queue.put(call(number))


def use_process():
    queue = fork.SimpleQueue()
    processes = [fork.Process(target=into, args=(queue, number)) for number in range(4)]
    for process in processes:
        process.start()
    results = [queue.get() for _ in processes]
    for process in processes:
        process.join()
    assert all(process.exitcode == 0 for process in processes)
    return results


def use_pool():
    with fork.Pool(3, initialise, maxtasksperchild=4) as pool:
        results = pool.map(call, range(12), chunksize=1)
        pool.close()
        pool.join()
    return results


def use_manager():
    with Manager(ctx=fork) as manager:
        caller = manager.Caller()
        return [caller.call(number) for number in range(3)]


def use_executor():
    with concurrent.futures.ProcessPoolExecutor(3, mp_context=fork,
                                                initializer=initialise) as executor:
        return list(executor.map(call, range(12)))


def use_nested():
    """Workers that have workers."""
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=fork) as executor:
        return executor.submit(use_process).result()


def main():
    parent = stub.Unary(Request(), timeout=30).peer
    stopping = threading.Event()

    def keep_calling():
        while not stopping.wait(0.001):
            stub.Unary(Request(), timeout=30)

    thread = threading.Thread(target=keep_calling)
    if not ALONE:
        thread.start()
    for use in use_process, use_pool, use_manager, use_executor, use_nested:
        results = use()
        assert all(int(text) in range(12) for _, _, text in results)
        peers = {peer for _, peer, _ in results}
        processes = {pid for pid, _, _ in results}
        # Each process has a connection of its own and keeps it.
        assert parent not in peers and len(peers) == len(processes), results
        print(use.__name__, len(results), flush=True)
    stopping.set()
    if not ALONE:
        thread.join()
    assert stub.Unary(Request(), timeout=30).peer == parent
    print("parent same")


if __name__ == "__main__":
    main()
