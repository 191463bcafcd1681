#!/usr/bin/env python3
"""Kills a run with checkpoints at random moments, starting it again each time, until it ends: its results must be those
of a run that was left alone, to the byte, and no file that was seen may change.

    tests/crash/kills.py --bin target/release/firesteel --kills 2000     some minutes"""

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from job import Run, write_input

# Kills of one run before it is left to end.
KILLS_A_RUN = 10


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--kills", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write_input(folder / "in")
        alone = Run(args.bin, folder, "alone")
        began = time.monotonic()
        if alone.start().returncode:
            sys.exit("the run that is left alone fails")
        expected, duration = alone.results(), time.monotonic() - began
        runs = range(-(-args.kills // KILLS_A_RUN))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            outcomes = list(pool.map(lambda n: try_run(args.bin, folder, f"{args.seed}-{n}", duration, expected), runs))
    problems = [problem for _, _, problem in outcomes if problem]
    for problem in problems[:20]:
        print(problem)
    in_work, last = sum(kills for kills, _, _ in outcomes), statistics.median(took for _, took, _ in outcomes)
    print(f"{len(runs) * KILLS_A_RUN} kills, {in_work} of them while it ran: {len(runs) - len(problems)} runs passed, "
          f"{len(problems)} failed (--seed {args.seed}); from the last start to the end {last * 1e3:.0f} ms at the median")
    sys.exit(bool(problems))


def try_run(binary, folder, name, duration, expected):
    """How many kills met the run at work, how long the last start took, and what is wrong; nothing if all is well."""
    chance, run, in_work, seen = random.Random(name), Run(binary, folder, name), 0, {}
    problem = None
    for kill in range(KILLS_A_RUN):
        process = run.begin()
        time.sleep(chance.uniform(0, duration / 2))
        in_work += process.poll() is None
        process.kill()
        words, now = process.communicate()[1], run.results()
        if "panicked" in words:
            problem = problem or f"{name}, kill {kill}: a panic: {words}"
        if any(now.get(file) != text for file, text in seen.items()):
            problem = problem or f"{name}, kill {kill}: a file that was seen has changed"
        seen = now
    began = time.monotonic()
    again = run.start()
    took, now = time.monotonic() - began, run.results()
    if again.returncode:
        problem = problem or f"{name}: does not start again: {again.stderr}"
    elif now != expected or any(now.get(file) != text for file, text in seen.items()):
        problem = problem or f"{name}: {len(now)} files, {len(expected)} expected, or other contents"
    run.remove()
    return in_work, took, problem


main()
