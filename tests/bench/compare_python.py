#!/usr/bin/env python3
"""Compares Python's forks under the shim with those of gRPC's own fork handlers, in both of their
settings, and with a fresh interpreter.  Started by scripts/bench.

The settings take turns in short bursts, so that all see the same weather.  What hangs is ended,
and shown as such.
"""

import argparse
import csv
import os
import select
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SAMPLES = os.path.join(HERE, "../samples/python")
BURST_SECONDS = 30


class Setting:

    def __init__(self, name, library=None, support=None):
        self.name = name
        self.environment = {k: v for k, v in os.environ.items()
                            if k not in ("LD_PRELOAD", "GRPC_ENABLE_FORK_SUPPORT")}
        if library:
            self.environment["LD_PRELOAD"] = library
        if support is not None:
            self.environment["GRPC_ENABLE_FORK_SUPPORT"] = support


class Program:
    """python_fork.py in one setting; `samples` is None once it hung or failed."""

    def __init__(self, options, setting, what):
        self.setting, self.samples = setting, []
        self.process = subprocess.Popen(
            [options.python, os.path.join(HERE, "python_fork.py"), options.address, what],
            env=setting.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)

    def burst(self, count):
        if self.samples is None:
            return
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        line = ""
        if select.select([self.process.stdout], [], [], BURST_SECONDS)[0]:
            line = self.process.stdout.readline()
        samples = [tuple(map(int, sample.split(","))) for sample in line.split()]
        if not samples or any(sample[0] < 0 for sample in samples):
            self.samples = None
            self.process.kill()
        else:
            self.samples.append([statistics.median(column) for column in zip(*samples)])

    def end(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(timeout=BURST_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def measure(options, settings, what, processes, bursts, count):
    """Per setting: the medians of the columns over all, or None; and the ratios of the first
    column to the first setting's, one for each process."""
    found = {setting.name: [] for setting in settings}
    ratios = {setting.name: [] for setting in settings}
    for number in range(max(2, round(processes * options.scale))):
        programs = [Program(options, setting, what) for setting in settings]
        for program in programs:
            program.burst(1)
        for burst in range(bursts):
            for program in programs if burst % 2 else reversed(programs):
                program.burst(count)
        for program in programs:
            program.end()
            if program.samples is None:
                found[program.setting.name].append(None)
                continue
            rows = program.samples[1:]
            found[program.setting.name].append([statistics.median(c) for c in zip(*rows)])
            if programs[0].samples is not None:
                ratios[program.setting.name].append(statistics.median(
                    mine[0] / first[0] for mine, first in zip(rows, programs[0].samples[1:])))
    medians = {}
    for name, values in found.items():
        bad = sum(value is None for value in values)
        medians[name] = None if bad else [statistics.median(c) for c in zip(*values)]
    return medians, ratios


def threads(options, setting, forks, patience):
    """4 threads call while another forks: what became of the children and of the parent's calls."""
    command = [options.python, os.path.join(SAMPLES, "threads.py"), options.address,
               "--forks", str(forks), "--seconds", str(patience)]
    process = subprocess.Popen(command, env=setting.environment, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True, start_new_session=True)
    try:
        output = process.communicate(timeout=max(60, forks))[0]
    except subprocess.TimeoutExpired:
        # Its children, too.
        os.killpg(process.pid, 9)
        process.communicate()
        return "the parent hangs"
    values = dict(line.rsplit(" ", 1) for line in output.splitlines()
                  if line.startswith(("children", "parent calls")))
    failed = next((line.split()[2] for line in output.splitlines()
                   if line.startswith("parent failed")), "?")
    return (f"{values.get('children failed', '?')} of {forks} children, "
            f"{failed} of {values.get('parent calls', '?')} calls")


def show(values, column, divisor):
    return "hangs" if values is None else f"{values[column] / divisor:.1f}"


def verdict(value, target):
    return "met" if value <= target else "missed"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--address", required=True, help="of the sample server")
    parser.add_argument("--library", required=True, help="libgrpcforkshim.so")
    parser.add_argument("--python", required=True, help="an interpreter that has grpcio")
    parser.add_argument("--output", required=True, help="a CSV file")
    parser.add_argument("--scale", type=float, default=1, help="of the number of processes")
    options = parser.parse_args()

    default = Setting("upstream's default", support=None)
    support = Setting("GRPC_ENABLE_FORK_SUPPORT=1", support="1")
    shim = Setting("grpcforkshim", library=options.library)
    settings = [default, support, shim]
    rows = []

    fork, fork_ratios = measure(options, settings, "fork", 8, 20, 20)
    rows.append(["fork() in the parent, us"] + [show(fork[s.name], 0, 1e3) for s in settings])
    ratio = statistics.median(fork_ratios[shim.name])
    rows.append(["... ratio to the default"] +
                [f"{statistics.median(fork_ratios[s.name]):.3f}" if fork_ratios[s.name] else "-"
                 for s in settings] + ["<= 1.05", verdict(ratio, 1.05)])

    inherited, _ = measure(options, settings, "inherited", 4, 4, 5)
    new, _ = measure(options, settings, "new", 4, 4, 5)
    fresh, _ = measure(options, [default], "fresh", 4, 4, 2)
    fresh_time = fresh[default.name][0]
    rows.append(["first call by an inherited channel, ms"] +
                [show(inherited[s.name], 0, 1e6) for s in settings] +
                ["<= 15", verdict(inherited[shim.name][0] / 1e6, 15)])
    rows.append([f"... ratio to a fresh interpreter's {fresh_time / 1e6:.1f} ms"] +
                [show(inherited[s.name], 0, fresh_time) if inherited[s.name] is None else
                 f"{inherited[s.name][0] / fresh_time:.2f}" for s in settings] +
                ["<= 0.33", verdict(inherited[shim.name][0] / fresh_time, 1 / 3)])
    rows.append(["first call by a new channel, ms"] +
                [show(new[s.name], 0, 1e6) for s in settings])
    rows.append(["private memory of a child that calls, KiB"] +
                [show(inherited[s.name], 1, 1) for s in settings] +
                ["<= 8192", verdict(inherited[shim.name][1], 8192)])
    forks = round(5000 * options.scale)
    rows.append(["4 threads call meanwhile, failed"] +
                [threads(options, default, 20, 3), threads(options, support, 20, 3),
                 threads(options, shim, forks, 30), "0", ""])

    headings = ["Python"] + [s.name for s in settings] + ["target", ""]
    rows = [headings] + [row + [""] * (len(headings) - len(row)) for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(headings))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    with open(options.output, "w", newline="") as file:
        csv.writer(file).writerows(rows)


if __name__ == "__main__":
    sys.exit(main())
