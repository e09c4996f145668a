"""Threads that call all the time while another forks; each child calls by what it inherited and by
a channel of its own."""

import argparse
import faulthandler
import os
import signal
import sys
import threading
import time

import grpc
from echo import EchoStub, Request

parser = argparse.ArgumentParser()
parser.add_argument("address")
parser.add_argument("--threads", type=int, default=4)
parser.add_argument("--forks", type=int, default=500)
parser.add_argument("--at-once", type=int, default=4)
parser.add_argument("--seconds", type=int, default=60, help="a child's, before it counts as hung")
parser.add_argument("--waiting", action="store_true", help="one more waits for an answer at each fork")
parser.add_argument("--certificates")
options = parser.parse_args()


def open_channel():
    if not options.certificates:
        return grpc.insecure_channel(options.address)
    with open(os.path.join(options.certificates, "ca.pem"), "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    return grpc.secure_channel(options.address, credentials)


stub = EchoStub(open_channel())
stopping = threading.Event()
calls = [0] * options.threads
failures = []


def keep_calling(number):
    while not stopping.is_set():
        try:
            if calls[number] % 2:
                stub.Unary.future(Request(text="x"), timeout=30).result()
            else:
                stub.Unary(Request(text="x"), timeout=30)
            calls[number] += 1
        except grpc.RpcError as error:
            failures.append(f"{error.code()} {error.details()}")


def wait_for_answer(sent):
    """It comes when the forks are over."""

    def requests():
        yield Request(text="x")
        sent.set()
        stopping.wait()

    assert stub.ClientStream(requests()).text == "x"


def be_child():
    # A hung child has to be seen as one: it shows where it is and ends.
    faulthandler.register(signal.SIGALRM, chain=True)
    signal.alarm(options.seconds)
    status = 1
    try:
        stub.Unary(Request(text="inherited"), timeout=30)
        EchoStub(open_channel()).Unary(Request(text="new"), timeout=30)
        status = 0
    except BaseException as error:
        print("child", repr(error), file=sys.stderr, flush=True)
    finally:
        os._exit(status)


def main():
    threads = [threading.Thread(target=keep_calling, args=(i,), daemon=True)
               for i in range(options.threads)]
    for thread in threads:
        thread.start()
    if options.waiting:
        sent = threading.Event()
        threads.append(threading.Thread(target=wait_for_answer, args=(sent,), daemon=True))
        threads[-1].start()
        assert sent.wait(30)
    # The service is up: see docs/limits.md on OpenSSL's very first use.
    while min(calls) == 0:
        time.sleep(0.001)
    children, failed, longest = set(), 0, 0.0
    for number in range(options.forks):
        started = time.perf_counter()
        child = os.fork()
        if child == 0:
            be_child()
        longest = max(longest, time.perf_counter() - started)
        children.add(child)
        while len(children) >= options.at_once or (number == options.forks - 1 and children):
            pid, status = os.wait()
            children.discard(pid)
            failed += status != 0
    stopping.set()
    for thread in threads:
        thread.join()
    print("children", options.forks)
    print("children failed", failed)
    print("parent calls", sum(calls))
    print("parent failed", len(failures), *failures[:1])
    print("longest fork milliseconds", round(longest * 1e3))
    # Without calls there is nothing that could have failed.
    sys.exit(failed != 0 or bool(failures) or min(calls) == 0)


if __name__ == "__main__":
    main()
