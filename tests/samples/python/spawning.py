"""Other programs started while channels are open and threads call."""

import os
import subprocess
import sys
import threading

import grpc
from echo import EchoStub, Request

stub = EchoStub(grpc.insecure_channel(sys.argv[1]))
stopping = threading.Event()
calls = 0


def keep_calling():
    global calls
    while not stopping.is_set():
        stub.Unary(Request(), timeout=30)
        calls += 1


def main():
    threads = [threading.Thread(target=keep_calling) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(30):
        done = subprocess.run(["sh", "-c", "read line; echo got $line"], input=f"{number}\n",
                              capture_output=True, text=True, timeout=30, check=True)
        assert done.stdout == f"got {number}\n" and done.stderr == ""
        # With a function to call between fork and exec, Python forks by itself.
        done = subprocess.run(["echo", "x"], preexec_fn=os.setsid, capture_output=True, text=True,
                              timeout=30, check=True)
        assert done.stdout == "x\n" and done.stderr == ""
        read, write = os.pipe()
        pid = os.posix_spawn("/bin/echo", ["echo", "spawned"], os.environ,
                             file_actions=[(os.POSIX_SPAWN_DUP2, write, 1)])
        os.close(write)
        with open(read) as file:
            assert file.read() == "spawned\n"
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert os.system("exit 3") == 3 << 8
        assert os.popen("echo popen").read() == "popen\n"
    stopping.set()
    for thread in threads:
        thread.join()
    print("started 150")
    print("calls", "some" if calls else "none")


if __name__ == "__main__":
    main()
