"""What the sample programs share: children that are waited for, and lines `who key value`."""

import os
import sys
import traceback


def say(*words):
    """One line in one piece, whatever else writes to the same place."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


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
