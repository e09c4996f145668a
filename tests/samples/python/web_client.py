"""Starts a web server, asks it until two workers have answered, and ends it.

usage: web_client.py COMMAND...     {port} in COMMAND is replaced, {descriptor} is a listening socket
"""

import http.client
import signal
import socket
import subprocess
import sys
import time

from family import say

listening = socket.create_server(("127.0.0.1", 0))
port = listening.getsockname()[1]
listening.set_inheritable(True)
descriptor = listening.fileno()
command = [word.format(port=port, descriptor=descriptor) for word in sys.argv[1:]]
server = subprocess.Popen(command, pass_fds=[descriptor])
listening.close()


def ask(number):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", f"/{number}")
    response = connection.getresponse()
    body = response.read().decode()
    assert response.status == 200, body
    return body.split()


workers, deadline, number = {}, time.monotonic() + 40, 0
while len(workers) < 2 and time.monotonic() < deadline:
    number += 1
    pid, peer, text, master, master_peer = ask(number)
    assert text == f"/{number}" and pid != master and peer != master_peer
    # Each worker keeps its connection.
    assert workers.setdefault(pid, peer) == peer
assert len(set(workers.values())) == len(workers) == 2, workers
for number in range(20):
    ask(number)
say("workers", len(workers))
server.send_signal(signal.SIGTERM)
say("exit", server.wait(30))
