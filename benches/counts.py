#!/usr/bin/env python3
"""Instructions a row of the hot kernels, counted by valgrind and held against counts.txt: a clock that noise does not
touch. A count that grew by more than 3 % fails; `benches/counts.py --update` writes the new counts.

Each work runs twice, with different numbers of repetitions; the difference is the work alone. Counts are the
compiler's as much as ours: with another rustc than the file names they are shown, and hold nothing."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "benches/counts.txt"
LEVELS = ["sse2", "avx2"]  # valgrind knows no AVX-512
# What a level does not change is counted once.
ONE_LEVEL = {"add_by_group", "lookup", "lookup_twice", "csv", "json", "tumbling_update"}
TIMES = 2, 6
GROWTH_MAX = 1.03


def main():
    update = "--update" in sys.argv[1:]
    if not works("valgrind", "--version"):
        return print("SKIPPED, instructions are not counted: there is no valgrind")
    binary = build()
    names = output(binary).split()
    if not works(binary, names[0], LEVELS[-1], "0"):
        return print(f"SKIPPED, instructions are not counted: this CPU has no {LEVELS[-1]}")
    jobs = [(name, level) for name in names for level in (LEVELS[-1:] if name in ONE_LEVEL else LEVELS)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = dict(zip(jobs, pool.map(lambda job: a_row(binary, *job), jobs)))
    if update:
        return write(counts)
    sys.exit(compare(counts, *read()))


def build():
    subprocess.run(["cargo", "build", "--release", "--quiet", "-p", "firesteel-benches", "--bin", "counts"],
                   cwd=ROOT, check=True)
    return str(Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/counts")


def a_row(binary, name, level):
    """Instructions a row of a work."""
    (rows, few), (_, many) = (count(binary, name, level, times) for times in TIMES)
    return (many - few) / (TIMES[1] - TIMES[0]) / rows


def count(binary, name, level, times):
    """Rows of one time, and instructions of all."""
    # What the C library does for memory differs by the machine's caches, unless told.
    tunables = "glibc.cpu.x86_rep_movsb_threshold=0x10000000:glibc.cpu.x86_rep_stosb_threshold=0x10000000"
    run = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", binary, name, level, str(times)],
        capture_output=True, text=True, env={"GLIBC_TUNABLES": tunables, "PATH": os.environ["PATH"]})
    collected = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode or not collected:
        sys.exit(f"counting {name} at {level} failed:\n{run.stderr}")
    return int(run.stdout), int(collected[1])


def compare(counts, compiler, wanted):
    """Prints all counts; the exit status."""
    grown = False
    print(f"{'work':<20}{'level':<8}{'committed':>12}{'counted':>12}   instructions a row")
    for job, found in counts.items():
        known = wanted.get(job)
        is_worse = known is None or found > known * GROWTH_MAX
        grown |= is_worse
        print(f"{job[0]:<20}{job[1]:<8}{known or 0:>12.3f}{found:>12.3f}   {note(known, found)}")
    if not grown:
        return 0
    if compiler != rustc():
        print(f"counts.txt is of {compiler}, this is {rustc()}: nothing is held against it; --update renews it")
        return 0
    print("more instructions a row than committed: find out why; if it is worth it, run benches/counts.py --update")
    return 1


def note(known, found):
    if known is None:
        return "NEW: --update adds it"
    told = "  GREW" if found > known * GROWTH_MAX else "  fell: --update keeps it" if found * GROWTH_MAX < known else ""
    return f"{100 * (found / known - 1):+.1f} %{told}"


def read():
    lines = [line for line in FILE.read_text().splitlines() if line and not line.startswith("#")]
    rows = [line.split() for line in lines[1:]]
    return lines[0], {(name, level): float(count) for name, level, count in rows}


def write(counts):
    head = "# Instructions a row, by callgrind; made by benches/counts.py --update. First the compiler.\n"
    rows = "".join(f"{name:<20}{level:<8}{count:>12.3f}\n" for (name, level), count in counts.items())
    FILE.write_text(f"{head}{rustc()}\n{rows}")
    print(FILE.read_text(), end="")


def rustc():
    return output("rustc", "--version").strip()


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def works(*command):
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    main()
