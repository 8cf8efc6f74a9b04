"""Shared parts of the comparisons in this folder: the engine's worker, turns, tables.

Needs nothing but Python's standard library.
"""

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# A peer's threads spin for a while after their work; the other side waits for
# them to sleep before it begins.
PAUSE = 0.15


class Worker:
    """The engine's half: bin/bench-worker, asked by a JSON object a line."""

    def __init__(self, *arguments):
        path = os.path.join(ROOT, "bin", "bench-worker")
        if not os.path.exists(path):
            sys.exit("bin/bench-worker is missing: run make bench-peers, or go build -o bin/bench-worker ./tools/bench/worker")
        environment = dict(os.environ, GOMAXPROCS=str(threads()))
        self.process = subprocess.Popen([path, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.backend = ""

    def ask(self, **request):
        """Seconds of one execution."""
        return self.answer(**request)["seconds"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def answer(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit("the worker ended")
        answer = json.loads(line)
        if answer.get("error"):
            sys.exit("the worker: " + answer["error"])
        self.backend = answer["backend"]
        return answer


def threads():
    return len(os.sched_getaffinity(0))


def repeat(body, seconds):
    """Seconds of one execution, repeating body for about so long."""
    n, begin = 0, time.perf_counter()
    while n == 0 or time.perf_counter() - begin < seconds:
        body()
        n += 1
    return (time.perf_counter() - begin) / n


def compete(rounds, *contestants, limit=math.inf):
    """Runs the contestants in turn and returns the times of each by round. Each
    round begins with another; a first turn of each is not counted. No round but the
    first begins that may end after limit seconds."""
    times, begin = [[] for _ in contestants], time.perf_counter()
    for round_ in range(rounds + 1):
        if round_ > 1 and (time.perf_counter() - begin) * (round_ + 1) / round_ > limit:
            break
        for turn in range(len(contestants)):
            i = (round_ + turn) % len(contestants)
            t = contestants[i]()
            time.sleep(PAUSE)
            if round_ > 0:
                times[i].append(t)
    return times


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def row(name, flop, engine, peer):
    """One comparison: times by round, and the ratio of speeds within a round."""
    return {
        "name": name,
        "flop": flop,
        "engine_seconds": spread(engine),
        "peer_seconds": spread(peer),
        "ratio": spread([p / e for e, p in zip(engine, peer)]),
    }


def machine():
    name = platform.processor()
    try:
        with open("/proc/cpuinfo") as f:
            name = next(line.split(":")[1].strip() for line in f if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {"processor": name, "threads": threads(), "load_average": os.getloadavg()[0]}


def arguments(description, more=lambda parser: None):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--rounds", type=int, default=11, help="rounds of every comparison (default 11)")
    more(parser)
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


def show(report, as_json, peer):
    """Prints the report: about, machine, rows."""
    if as_json:
        print(json.dumps(report, indent=2))
        return
    m = report["machine"]
    print(f"{m['processor']}, {m['threads']} threads; load average before: {m['load_average']:.2f}")
    for key, value in report["about"].items():
        print(f"{key}: {value}")
    if m["load_average"] > 0.5:
        print("the machine was busy: read the ratios, not the times")
    head = ["", "engine ms", peer + " ms", "engine GFLOP/s", peer + " GFLOP/s", "ratio", "least–most"]
    lines = [head]
    for r in report["rows"]:
        e, p, q = r["engine_seconds"]["median"], r["peer_seconds"]["median"], r["ratio"]
        speed = [f"{r['flop'] / t / 1e9:.0f}" if r["flop"] else "" for t in (e, p)]
        lines.append([r["name"], f"{1e3 * e:.3g}", f"{1e3 * p:.3g}", *speed, f"{q['median']:.2f}×", f"{q['min']:.2f}–{q['max']:.2f}"])
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    print()
    for i, line in enumerate(lines):
        print("  ".join([line[0].ljust(widths[0])] + [cell.rjust(w) for cell, w in zip(line[1:], widths[1:])]).rstrip())
        if i == 0:
            print("─" * (sum(widths) + 2 * (len(widths) - 1)))
