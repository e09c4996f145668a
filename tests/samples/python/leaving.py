"""Children that exit while threads of their parent open, use and close channels whose calls are signed.
What grpcio waits for at exit, it waits for by time.sleep().

usage: leaving.py ADDRESS [FORKS]
"""

import os
import sys
import threading
import time

import grpc
from family import in_child, say

THREADS = 4
stopping = threading.Event()
rounds = [0] * THREADS


class Signing(grpc.AuthMetadataPlugin):

    def __call__(self, context, callback):
        callback((), None)


def keep_opening(number):
    call_credentials = grpc.metadata_call_credentials(Signing())
    while not stopping.is_set():
        credentials = grpc.composite_channel_credentials(grpc.local_channel_credentials(),
                                                         call_credentials)
        # Its calls may fail or not: what counts is that the credentials come and go.
        with grpc.secure_channel(sys.argv[1], credentials) as channel:
            try:
                channel.unary_unary("/samples.Echo/Unary")(b"", timeout=0.05)
            except grpc.RpcError:
                pass
        rounds[number] += 1


def leave():
    def waited(seconds):
        say("child waits at exit")
        os._exit(2)

    time.sleep = waited


def main():
    threads = [threading.Thread(target=keep_opening, args=(i,)) for i in range(THREADS)]
    for thread in threads:
        thread.start()
    while min(rounds) == 0:
        time.sleep(0.001)
    statuses = [in_child(leave) for _ in range(int(sys.argv[2]) if sys.argv[2:] else 40)]
    stopping.set()
    for thread in threads:
        thread.join()
    say("children", len(statuses), "failed", sum(status != 0 for status in statuses))
    sys.exit(any(statuses))


if __name__ == "__main__":
    main()
