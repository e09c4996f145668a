#!/usr/bin/env python3
"""Runs a sample again and again, and refuses the shim another request for memory each time.

usage: each_refusal.py [--every STEP] SHIM REFUSING LOG-DIRECTORY PROGRAM [ARGUMENT...]

REFUSING is the library that refuses (tests/samples/c/refusing.c).  Without the shim's requests being
refused the sample prints what it should; with one refused

- what its parent prints, but for ports, has to be the same,
- its child has to work too, or to fail at once, after a line of the shim's that says why,
- and nothing may be killed by a signal or take long.

The last line is `requests N worked N told N wrong N`.  Each that went wrong is shown.
"""

import concurrent.futures
import os
import re
import subprocess
import sys
import time

# What one that waits for its deadline or for ever does not stay below; a busy machine does.
AT_ONCE_SECONDS = 12
LIMIT_SECONDS = 40


def lines_of_parent(output):
    lines = [line for line in output.splitlines() if not line.startswith("child ")]
    return [re.sub(r":\d+\b", ":PORT", line) for line in lines]


class Run:
    def __init__(self, command, number):
        self.number = number
        self.log = os.path.join(log_directory, f"refused.{number}")
        environment = dict(os.environ, LD_PRELOAD=f"{shim}:{refusing}", REFUSE=str(number), REFUSE_LOG=self.log)
        begin = time.monotonic()
        process = subprocess.Popen(
            command, env=environment, text=True, errors="replace", start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            self.output, self.errors = process.communicate(timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            self.output, self.errors = process.communicate()
        self.status = process.returncode
        self.seconds = time.monotonic() - begin
        self.refusals = ""
        if os.path.exists(self.log):
            with open(self.log, encoding="ascii") as file:
                self.refusals = file.read()
            os.unlink(self.log)

    def judge(self, expected):
        """'worked', 'told', or what is wrong."""
        told = "grpcforkshim[" in self.errors
        if self.status < 0 or re.search(r"exit (12[89]|1[3-9]\d)$", self.output, re.MULTILINE):
            return "a process was killed"
        if self.seconds > AT_ONCE_SECONDS:
            return f"it took {self.seconds:.0f} s"
        if lines_of_parent(self.output) != expected:
            return "the parent is another one"
        if self.status == 0:
            return "told" if told else "worked"
        return "told" if told else "the child failed and nothing was said"


def main(command, every):
    whole = Run(command, 10**9)
    if whole.status != 0 or whole.errors:
        sys.exit(f"it does not work as it is: status {whole.status}\n{whole.output}{whole.errors}")
    expected = lines_of_parent(whole.output)
    counts = {"worked": 0, "told": 0, "wrong": 0}
    number, done = 1, False
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        while not done:
            for run in pool.map(lambda n: Run(command, n), range(number, number + 16 * every, every)):
                if not run.refusals:
                    done = True
                    break
                verdict = run.judge(expected)
                if verdict not in counts:
                    print(f"{run.number}: {verdict}, status {run.status}, {run.seconds:.1f} s\n"
                          f"{run.refusals}{run.output}{run.errors}--")
                    verdict = "wrong"
                elif os.environ.get("VERBOSE"):
                    print(f"{run.number}: {verdict} {run.refusals}{run.errors}", end="")
                counts[verdict] += 1
            number += 16 * every
    print(f"requests {sum(counts.values())} worked {counts['worked']} told {counts['told']} wrong {counts['wrong']}")
    return 1 if counts["wrong"] > 0 or sum(counts.values()) == 0 else 0


arguments = sys.argv[1:]
step = 1
if arguments[:1] == ["--every"]:
    step = int(arguments[1])
    arguments = arguments[2:]
shim, refusing, log_directory = arguments[:3]
sys.exit(main(arguments[3:], step))
