"""A second interpreter in the same process, while the first one uses grpc."""

import os
import sys

import grpc
from echo import EchoStub, Request

try:
    import _interpreters as interpreters
except ImportError:  # before Python 3.13
    import _xxsubinterpreters as interpreters

OTHER = """
import json, sqlite3, xml.dom.minidom
assert json.loads("[1]") == [1]
"""

stub = EchoStub(grpc.insecure_channel(sys.argv[1]))


def run_other(who):
    """Since Python 3.13 what fails there is returned, and not raised."""
    other = interpreters.create()
    failure = interpreters.run_string(other, OTHER)
    assert failure is None, failure
    print(who, "other works", flush=True)
    return other


def main():
    parent = stub.Unary(Request(), timeout=30).peer
    other = run_other("parent")
    print("parent", stub.Unary(Request(text="again"), timeout=30).text, flush=True)
    # Python 3.11 itself hangs in a fork while there is a second interpreter.
    interpreters.destroy(other)
    child = os.fork()
    if child == 0:
        assert stub.Unary(Request(), timeout=30).peer != parent
        interpreters.destroy(run_other("child"))
        assert stub.Unary(Request(), timeout=30).peer != parent
        os._exit(0)
    print("child exit", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    assert stub.Unary(Request(), timeout=30).peer == parent


if __name__ == "__main__":
    main()
