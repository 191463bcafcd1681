#!/usr/bin/env python3
"""Kills the binary at every system call of a run with checkpoints, or lets one fail, and starts it again: its results
must be those of a run that was left alone, to the byte, and no file that was seen may change.

    tests/crash/syscalls.py --bin target/release/firesteel --errors     every call, killed and failing: some minutes
    tests/crash/syscalls.py --bin target/release/firesteel --every 10   killed at each tenth, for CI

Needs strace. A call is named by what it does and how often its thread has done that before: `fsync 7`."""

import argparse
import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from job import Run, write_input

# What a failing call may answer: a device that fails, a disk or a quota that is full, one that became read-only, a
# permission that is gone; and where a file is opened or a thread started, too few of them.
CHANGES = ["EIO", "ENOSPC", "EDQUOT", "EROFS", "EACCES"]
ERRORS = {"write": CHANGES[:3], "fsync": CHANGES[:4], "rename": CHANGES, "renameat2": CHANGES, "mkdir": CHANGES,
          "unlink": CHANGES, "openat": [*CHANGES, "EMFILE", "ENFILE"], "getdents64": ["EIO"], "read": ["EIO"],
          "clone3": ["EAGAIN"]}
STARTS_MAX = 5


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--errors", action="store_true", help="let calls fail, too")
    args = parser.parse_args()
    if not shutil.which("strace"):
        return print("SKIPPED, no call is injected: there is no strace")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write_input(folder / "in")
        alone = Run(args.bin, folder, "alone")
        if alone.start(checkpoint=False).returncode:
            sys.exit("the run that is left alone fails")
        expected = alone.results()
        calls = count_calls(Run(args.bin, folder, "counted"))
        cases = [("signal=KILL", name, n) for name, most in sorted(calls.items()) for n in range(1, most + 1)]
        if args.errors:
            cases += [(f"error={error}", name, n) for name, most in sorted(calls.items())
                      for error in ERRORS.get(name, ()) for n in range(1, most + 1)]
        cases = cases[::args.every]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            problems = [p for p in pool.map(lambda case: try_case(args.bin, folder, case, expected), cases) if p]
    for problem in problems[:20]:
        print(problem)
    print(f"{len(cases) - len(problems)} passed, {len(problems)} failed")
    sys.exit(bool(problems))


def count_calls(run):
    """How often each call is made at most by one thread."""
    log = run.job.with_suffix(".trace")
    done = run.start(["strace", "-f", "-o", str(log)])
    if done.returncode:
        sys.exit(f"the run with checkpoints fails: {done.stderr}")
    counts = collections.Counter(re.findall(r"^(\d+) +(\w+)\(", log.read_text(), re.MULTILINE))
    most = collections.Counter()
    for (_, name), count in counts.items():
        most[name] = max(most[name], count)
    del most["execve"]
    return most


def try_case(binary, folder, case, expected):
    """What is wrong in this case; nothing if all is well."""
    what, name, n = case
    run = Run(binary, folder, f"{what}-{name}-{n}")
    try:
        first = run.start(["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject={name}:{what}:when={n}"])
    except subprocess.TimeoutExpired:
        return f"{what} at {name} {n}: it hangs"
    seen, problem = run.results(), None
    if "panicked" in first.stderr:
        problem = f"a panic: {first.stderr}"
    for _ in range(STARTS_MAX):
        again = run.start()
        if again.returncode == 0:
            break
    now = run.results()
    if again.returncode:
        problem = f"does not start again: {again.stderr}"
    elif any(now.get(file) != text for file, text in seen.items()):
        problem = "a file that was seen has changed"
    elif now != expected:
        problem = f"{len(now)} files, {len(expected)} expected, or other contents"
    run.remove()
    return problem and f"{what} at {name} {n}: {problem}"


main()
