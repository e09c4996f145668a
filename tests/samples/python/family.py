"""What the sample programs share: children that are waited for, lines `who key value`, and
what a process has open."""

import os
import sys
import traceback


def say(*words):
    """One line in one piece, whatever else writes to the same place."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def descriptors():
    """What this process's descriptors lead to."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:
            pass  # that of the listing
    return found


def sockets():
    return {name for name in descriptors() if name.startswith("socket:")}


def in_child(body, *args):
    """Runs body in a forked child, which ends by exiting like any program; returns its status."""
    child = os.fork()
    if child == 0:
        try:
            body(*args)
        except SystemExit:
            raise
        except BaseException:
            traceback.print_exc()
            sys.exit(1)
        sys.exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
