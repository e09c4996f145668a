"""Takes samples of forks and first calls in Python when told to.

usage: python_fork.py ADDRESS fork|inherited|new|fresh

Each line of standard input is a number of samples to take. What is printed:

  fork       nanoseconds of os.fork() in a process with one connected channel
  inherited  nanoseconds from before fork() to the child's first answer, by the inherited channel;
             KiB of private memory that the child has more than one that doesn't use grpc
  new        the same by a channel of the child's own
  fresh      nanoseconds from before exec to the first answer of a fresh interpreter
"""

import os
import select
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../samples/python"))

# Children that hang are ended after so many seconds, and are a sample of -1.
PATIENCE = 5


def open_stub():
    import grpc
    from echo import EchoStub
    return EchoStub(grpc.insecure_channel(ADDRESS))


def call(stub):
    from echo import Request
    stub.Unary(Request(text="x"), timeout=PATIENCE)


def private_kibibytes():
    with open("/proc/self/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private"))


def fork_sample():
    started = time.perf_counter_ns()
    child = os.fork()
    if child == 0:
        os._exit(0)
    taken = time.perf_counter_ns() - started
    os.waitpid(child, 0)
    return str(taken)


def child_sample(body):
    read, write = os.pipe()
    started = time.perf_counter_ns()
    child = os.fork()
    if child == 0:
        try:
            body()
            os.write(write, f"{time.perf_counter_ns() - started},{private_kibibytes()}".encode())
        except BaseException:
            pass
        finally:
            os._exit(0)
    os.close(write)
    answered = select.select([read], [], [], PATIENCE)[0]
    answer = os.read(read, 100).decode() if answered else ""
    os.close(read)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return answer or "-1,-1"


def first_call_sample(body):
    idle = child_sample(lambda: None)
    taken, private = child_sample(body).split(",")
    return f"{taken},{int(private) - int(idle.split(',')[1])}"


def fresh_sample():
    started = time.perf_counter_ns()
    subprocess.run([sys.executable, __file__, ADDRESS, "call"], check=True)
    return str(time.perf_counter_ns() - started)


def main():
    global ADDRESS
    ADDRESS, what = sys.argv[1:]
    if what == "fresh":
        take = fresh_sample
    else:
        stub = open_stub()
        call(stub)
        if what == "call":
            os._exit(0)
        take = {
            "fork": fork_sample,
            "inherited": lambda: first_call_sample(lambda: call(stub)),
            "new": lambda: first_call_sample(lambda: call(open_stub())),
        }[what]
    for line in sys.stdin:
        print(" ".join(take() for _ in range(int(line))), flush=True)


if __name__ == "__main__":
    main()
