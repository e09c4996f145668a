"""A celery application whose channel is made, and used, when it is loaded. As a program: starts a
worker for it, and asks it."""

import os
import signal
import subprocess
import sys

import celery
import grpc
from echo import EchoStub, Request
from family import say

directory = os.environ["SAMPLE_DIRECTORY"]
application = celery.Celery("celery_tasks", broker="filesystem://", backend=f"file://{directory}/results")
application.conf.broker_transport_options = {
    "data_folder_in": f"{directory}/queue",
    "data_folder_out": f"{directory}/queue",
    "control_folder": f"{directory}/control",
}
stub = EchoStub(grpc.insecure_channel(os.environ["SAMPLE_ADDRESS"]))
MASTER = os.getpid(), stub.Unary(Request(), timeout=30).peer


@application.task
def call(number):
    reply = stub.Unary(Request(text=str(number)), timeout=30)
    return os.getpid(), reply.peer, reply.text, MASTER


def main():
    for name in "queue", "results", "control":
        os.mkdir(os.path.join(directory, name))
    worker = subprocess.Popen([
        sys.executable, "-m", "celery", "--quiet", "--app", "celery_tasks", "worker", "--pool",
        "prefork", "--concurrency", "2", "--loglevel", "ERROR", "--without-gossip",
        "--without-mingle", "--without-heartbeat"
    ], cwd=os.path.dirname(os.path.abspath(__file__)), stdout=subprocess.DEVNULL)
    results = [call.delay(number) for number in range(20)]
    answers = [result.get(timeout=90) for result in results]
    for number, (pid, peer, text, (master, master_peer)) in enumerate(answers):
        assert text == str(number) and pid != master and peer != master_peer
    assert len({pid for pid, *_ in answers}) == len({peer for _, peer, *_ in answers})
    say("tasks", len(answers))
    worker.send_signal(signal.SIGTERM)
    say("exit", worker.wait(30))


if __name__ == "__main__":
    main()
