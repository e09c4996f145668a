#!/usr/bin/env python3
"""Runs the benchmarks without and with the shim and compares.  Started by scripts/bench.

Two processes, one without and one with the shim, live side by side and take turns (A B B A) in
short bursts, so that both see the same weather.  Each burst gives the median of its samples, each
two neighbouring bursts a ratio, each pair of processes the median of its ratios.  Where a process
lies in memory also matters, so there are many pairs: the result is the median over the pairs, with
a 95 % interval from resampling them.
"""

import argparse
import csv
import os
import random
import select
import statistics
import subprocess
import sys

BURST_SECONDS = 120


class Failure(Exception):
    pass


class Process:
    """A benchmark program that takes samples when told to."""

    def __init__(self, arguments, library=None):
        environment = {k: v for k, v in os.environ.items()
                       if k != "LD_PRELOAD" and not k.startswith("GRPCFORKSHIM_")}
        if library:
            environment["LD_PRELOAD"] = library
        self.arguments = arguments
        self.process = subprocess.Popen(arguments, env=environment, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.library = library

    def burst(self, count):
        """Returns a list of samples; a sample is a tuple of integers."""
        try:
            self.process.stdin.write(f"{count}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Failure(f"{self.arguments}: ended with {self.process.wait()}") from None
        if not select.select([self.process.stdout], [], [], BURST_SECONDS)[0]:
            raise Failure(f"{self.arguments}: no answer in {BURST_SECONDS} s")
        line = self.process.stdout.readline()
        if not line:
            raise Failure(f"{self.arguments}: ended with {self.process.wait()}")
        return [tuple(map(int, sample.split(","))) for sample in line.split()]

    def check_preload(self):
        """A library that cannot be preloaded is left out with a mere warning."""
        with open(f"/proc/{self.process.pid}/maps") as maps:
            loaded = "libgrpcforkshim.so" in maps.read()
        if loaded != bool(self.library):
            raise Failure(f"{self.arguments}: the shim is {'' if loaded else 'not '}loaded")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.process.kill()
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        status = self.process.wait(timeout=BURST_SECONDS)
        self.process.stdout.close()
        if status and not kind:
            raise Failure(f"{self.arguments}: ended with {status}")


class Result:
    def __init__(self, benchmark, what, without, with_shim, unit, kind, values, target=None):
        """`values` has one ratio or difference per pair of processes."""
        self.benchmark, self.what, self.unit, self.kind = benchmark, what, unit, kind
        self.without, self.with_shim, self.target = without, with_shim, target
        self.value = statistics.median(values)
        self.low, self.high = interval(values)

    def verdict(self):
        if self.target is None:
            return ""
        if self.value > self.target:
            return "missed" if self.low > self.target else "missed?"
        return "met" if self.high <= self.target else "met?"


def interval(values):
    """The 95 % interval of the median, by resampling; always the same for the same values."""
    generator = random.Random(1)
    medians = sorted(statistics.median(generator.choices(values, k=len(values)))
                     for _ in range(2000))
    return medians[50], medians[-51]


class Benchmarks:
    def __init__(self, options):
        self.options = options
        self.raw = []

    def program(self, name):
        return os.path.join(self.options.programs, name)

    def pairs(self, count):
        return max(2, round(count * self.options.scale))

    def turns(self, name, arguments, pairs, bursts, samples, reduce=statistics.median):
        """Yields, per pair of processes, the lists of reduced bursts without and with the shim."""
        for pair in range(self.pairs(pairs)):
            progress(f"{name} {' '.join(arguments[1:])}: pair {pair + 1} of {self.pairs(pairs)}")
            sides = [None, self.options.library]
            # Neither side is always the one that starts first.
            if pair % 2:
                sides.reverse()
            with Process(arguments, sides[0]) as first, Process(arguments, sides[1]) as second:
                bare, preloaded = (second, first) if pair % 2 else (first, second)
                for process in (bare, preloaded):
                    process.burst(samples)
                    process.check_preload()
                reduced = {bare: [], preloaded: []}
                for burst in range(bursts):
                    order = (bare, preloaded) if burst % 2 else (preloaded, bare)
                    for process in order:
                        values = process.burst(samples)
                        side = "preloaded" if process is preloaded else "bare"
                        for sample in values:
                            self.raw.append((" ".join(arguments[1:]), pair, burst, side) + sample)
                        reduced[process].append([reduce(column) for column in zip(*values)])
                yield reduced[bare], reduced[preloaded]

    def fork_time(self):
        """fork() in a parent with open channels"""
        for channels in (1, 10, 100, 1000):
            measured = list(self.turns(
                "fork_time", [self.program("fork_time"), self.options.address, str(channels)],
                pairs=10 if channels == 1000 else 16, bursts=40, samples=20))
            plural = "channel" if channels == 1 else "channels"
            yield ratio("fork_time", f"fork(), {channels} {plural}", measured, 0, target=1.02)
            yield ratio("fork_time", f"fork() to the child's end, {channels} {plural}", measured, 1)

    def unary_time(self):
        """a unary call in a process that never forks"""
        measured = list(self.turns(
            "unary_time", [self.program("unary_time"), self.options.address],
            pairs=24, bursts=40, samples=200))
        yield ratio("unary_time", "unary call in the parent", measured, 0, target=1.01)

    def child_start(self):
        """a child's first call through an inherited channel, against a fresh process's"""
        arguments = [self.program("child_start"), self.options.address]
        ratios, forked, fresh = [], [], []
        for number in range(self.pairs(10)):
            progress(f"child_start: process {number + 1} of {self.pairs(10)}")
            with Process(arguments, self.options.library) as process:
                process.burst(2)
                process.check_preload()
                samples = process.burst(30)
                for sample in samples:
                    self.raw.append(("", number, 0, "preloaded") + sample)
                forked.append(statistics.median(sample[0] for sample in samples))
                fresh.append(statistics.median(sample[1] for sample in samples))
                ratios.append(forked[-1] / fresh[-1])
        yield Result("child_start", "fork() to the child's first answer, against exec",
                     statistics.median(fresh) / 1000, statistics.median(forked) / 1000, "us",
                     "ratio", ratios, target=0.5)

    def preload_cost(self):
        """what a program without gRPC pays"""
        yield self.exec_time()
        yield from self.memory()
        measured = list(self.turns("call_time", [self.program("call_time")],
                                   pairs=16, bursts=40, samples=5, reduce=min))
        for column, what in enumerate(("close(-1)", "socket() and close()", "dup() and close()",
                                       "epoll_create1() and close()")):
            # One wrapped call in the first, two in the others; each may take single nanoseconds.
            yield difference("preload_cost", what, measured, column, 1000, "ns",
                             target=10 if column == 0 else 20)

    def exec_time(self):
        arguments = [self.program("exec_time"), self.options.library, self.program("nothing")]
        differences, bare, preloaded = [], [], []
        for number in range(self.pairs(20)):
            progress(f"exec_time: round {number + 1} of {self.pairs(20)}")
            with Process(arguments) as process:
                process.burst(4)
                samples = process.burst(100)
            for sample in samples:
                self.raw.append(("exec", number, 0, "both") + sample)
            bare.append(statistics.median(sample[0] for sample in samples))
            preloaded.append(statistics.median(sample[1] for sample in samples))
            differences.append(statistics.median(b - a for a, b in samples) / 1e6)
        return Result("preload_cost", "exec to exit", statistics.median(bare) / 1e6,
                      statistics.median(preloaded) / 1e6, "ms", "difference", differences,
                      target=0.3)

    def memory(self):
        def measure(library):
            environment = {"LD_PRELOAD": library} if library else {}
            text = subprocess.run([self.program("nothing"), "memory"], env=environment, check=True,
                                  capture_output=True, text=True).stdout
            fields = {}
            for line in text.splitlines()[1:]:
                key, value = line.split(":")
                fields[key] = int(value.split()[0])
            return fields["Rss"], fields["Private_Clean"] + fields["Private_Dirty"]

        samples = [measure(None) + measure(self.options.library) for _ in range(self.pairs(40))]
        for number, sample in enumerate(samples):
            self.raw.append(("memory", number, 0, "both") + sample)
        for column, what, target in ((0, "resident memory", 200), (1, "of it private", None)):
            yield Result("preload_cost", what, statistics.median(s[column] for s in samples),
                         statistics.median(s[column + 2] for s in samples), "KiB", "difference",
                         [s[column + 2] - s[column] for s in samples], target=target)


    def many_objects(self):
        """the memory of what is alive, and that it does not grow otherwise"""
        program = self.program("many_objects")

        def measure(library, kind, count):
            progress(f"many_objects: {count} {kind}")
            environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
            if library:
                environment["LD_PRELOAD"] = library
            run = subprocess.run([program, self.options.address, kind, str(count)], check=True,
                                 env=environment, capture_output=True, text=True)
            values = [int(value) for value in run.stdout.split()]
            self.raw.append((kind, 0, 0, "preloaded" if library else "bare") + tuple(values))
            return values

        def rows(kind, count, columns, rounds):
            pairs = [[measure(library, kind, count) for library in (None, self.options.library)]
                     for _ in range(rounds)]
            for what, first, last, limit in columns:
                values = [[(side[last] - side[first]) / count for side in pair] for pair in pairs]
                yield Result("many_objects", what, statistics.median(v[0] for v in values),
                             statistics.median(v[1] for v in values), "bytes", "difference",
                             [v[1] - v[0] for v in values], target=limit)

        for kind, count in (("channels", 10000), ("queues", 1000), ("credentials", 10000),
                            ("alive-calls", 10000)):
            yield from rows(kind, count, ((f"each of {count} {kind}", 2, 3, 600),
                                          ("... left when they are gone", 2, 4, 1)), 3)
        calls = round(1000000 * min(1, self.options.scale))
        yield from rows("calls", calls, ((f"each of {calls} calls, once over", 1, 2, 0.1),), 1)


def ratio(benchmark, what, measured, column, target=None):
    bare = statistics.median(b[column] for pair in measured for b in pair[0])
    preloaded = statistics.median(b[column] for pair in measured for b in pair[1])
    ratios = [statistics.median(b[column] / a[column] for a, b in zip(*pair)) for pair in measured]
    return Result(benchmark, what, bare / 1000, preloaded / 1000, "us", "ratio", ratios, target)


def difference(benchmark, what, measured, column, divisor, unit, target=None):
    bare = statistics.median(b[column] for pair in measured for b in pair[0]) / divisor
    preloaded = statistics.median(b[column] for pair in measured for b in pair[1]) / divisor
    differences = [statistics.median(b[column] - a[column] for a, b in zip(*pair)) / divisor
                   for pair in measured]
    return Result(benchmark, what, bare, preloaded, unit, "difference", differences, target)


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def clear_progress():
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)


HEADINGS = ("what", "without", "with", "unit", "ratio or +", "95 % interval", "target", "")


def number(value):
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def row(result):
    sign = "" if result.kind == "ratio" else "+"

    def show(value):
        return f"{value:+.3f}" if sign else f"{value:.4f}"

    target = "" if result.target is None else f"<= {sign}{result.target}"
    return (result.what, number(result.without), number(result.with_shim), result.unit,
            show(result.value), f"{show(result.low)} .. {show(result.high)}", target,
            result.verdict())


def print_table(results):
    rows = [HEADINGS] + [row(result) for result in results]
    widths = [max(len(cells[i]) for cells in rows) for i in range(len(HEADINGS))]
    for cells in rows:
        print("  ".join(cell.ljust(width) if i in (0, 3, 5, 6) else cell.rjust(width)
                        for i, (cell, width) in enumerate(zip(cells, widths))).rstrip())


def write_results(path, results):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("what", "without", "with", "unit", "kind", "value", "low", "high",
                         "target", "verdict"))
        for r in results:
            writer.writerow((r.what, r.without, r.with_shim, r.unit, r.kind, r.value, r.low,
                             r.high, r.target, r.verdict()))


def main():
    names = ("fork_time", "unary_time", "child_start", "preload_cost", "many_objects")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--address", required=True, help="of the sample server")
    parser.add_argument("--library", required=True, help="libgrpcforkshim.so")
    parser.add_argument("--programs", required=True, help="the directory of the benchmarks")
    parser.add_argument("--output", required=True, help="the directory for CSV files")
    parser.add_argument("--scale", type=float, default=1, help="of the number of processes")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(names)}")
    options = parser.parse_args()
    for name in options.names:
        if name not in names:
            parser.error(f"no benchmark {name}: there are {', '.join(names)}")
    os.makedirs(options.output, exist_ok=True)

    everything, failed = [], False
    for name in options.names or names:
        benchmarks = Benchmarks(options)
        results = []
        try:
            for result in getattr(benchmarks, name)():
                results.append(result)
        except (Failure, subprocess.CalledProcessError) as failure:
            clear_progress()
            print(f"{name}: {failure}", file=sys.stderr)
            failed = True
        clear_progress()
        write_results(os.path.join(options.output, f"{name}.csv"), results)
        with open(os.path.join(options.output, f"{name}.samples.csv"), "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("arguments", "pair", "burst", "side", "values"))
            writer.writerows(benchmarks.raw)
        everything += results
    print_table(everything)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
