#!/usr/bin/env python3
"""Sets the clock while the binary runs: ten years ahead, an hour back, from 1970 to now. Results must be those of a run
under a clock that was left alone, and nothing may hang, expire or be lost.

    tests/crash/clocks.py --bin target/release/firesteel      some seconds

Needs libfaketime (Debian: apt-get install libfaketime). Only the wall clock is set, as a machine's is."""

import argparse
import glob
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TIMEOUT = 20
JOB = """SET firesteel.checkpoint.interval = '20ms';
SET firesteel.restart = on-failure;
CREATE TABLE readings (ts TIMESTAMP, key INT) USING ring OPTIONS (path '{ring}', idleTimeout '1 hour');
CREATE TABLE results USING json OPTIONS (path '{output}');
INSERT INTO results SELECT window.start AS at, key, count(*) AS n
FROM readings WATERMARK ts DELAY OF INTERVAL 2 SECONDS GROUP BY window(ts, '5 seconds'), key;
"""
# By name: what the clock shows at the start and after each third of the rows.
CLOCKS = {
    "left alone": ["+0"] * 4,
    "ten years ahead": ["+0", "+10y", "+10y", "+10y"],
    "an hour back": ["+0", "+0", "-1h", "-1h"],
    "from 1970 to now": ["@1970-01-01 00:00:10", "@1970-01-01 00:00:10", "+0", "+0"],
    "back and forth": ["+0", "+10y", "-1h", "+0"],
}
PIECES, ROWS = 3, 60


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    args = parser.parse_args()
    found = sorted(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1"))
    if not found:
        return print("SKIPPED, no clock is set: there is no libfaketime")
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        expected = None
        for name, clocks in CLOCKS.items():
            started = time.monotonic()
            results, problem = run(os.path.abspath(args.bin), Path(folder), name.replace(" ", "-"), clocks, found[0])
            expected = expected or results
            if not results or results != expected:
                problem = problem or f"{len(results)} rows, {len(expected)} expected, or others"
            print(f"{name}: {problem or 'the same'}, {time.monotonic() - started:.1f} s")
            failed += [name] if problem else []
    sys.exit(bool(failed))


def rows(piece):
    """Event times go on, whatever the clock shows."""
    lines = ["ts,key"]
    for row in range(piece * ROWS, (piece + 1) * ROWS):
        lines.append(f"2025-01-01 00:{row // 60:02}:{row % 60:02},{row % 3}")
    return "\n".join(lines) + "\n"


def run(binary, folder, name, clocks, library):
    """Results of a run under these clocks, and what went wrong."""
    ring, output, job = folder / f"{name}-ring", folder / f"{name}-out", folder / f"{name}.sql"
    clock, words = folder / f"{name}-clock", folder / f"{name}-words"
    job.write_text(JOB.format(ring=ring, output=output))
    clock.write_text(clocks[0] + "\n")
    environment = os.environ | {"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
                                "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_RESET": "1", "TZ": "UTC"}
    subprocess.run([binary, "ring", "create", str(ring), "--schema", "ts TIMESTAMP, key INT", "--capacity", "1MB"],
                   check=True, capture_output=True)
    with open(words, "w") as stderr:
        query = subprocess.Popen([binary, "run", str(job), "--checkpoint", str(folder / f"{name}-checkpoint")],
                                 stdin=subprocess.DEVNULL, stderr=stderr, env=environment)
    try:
        for piece in range(PIECES):
            clock.write_text(clocks[piece + 1] + "\n")
            append = [binary, "ring", "append", str(ring)]
            subprocess.run(append, input=rows(piece), text=True, check=True, capture_output=True, timeout=TIMEOUT)
            # Windows close up to two seconds before the last row.
            wait_for(lambda: len(lines(output)) >= expected_lines(piece))
        query.terminate()
        status = query.wait(TIMEOUT)
        problem = status and f"status {status}: {words.read_text()}"
    except (subprocess.SubprocessError, TimeoutError) as error:
        query.kill()
        query.wait()
        said = getattr(error, "stderr", None) or ""
        problem = f"{error or 'it hangs'}: {said}{words.read_text()}"
    return lines(output), problem


def expected_lines(piece):
    last = (piece + 1) * ROWS - 1
    return (last - 2) // 5 * 3


def lines(output):
    files = [path for path in output.glob("part-*")]
    return sorted(line for path in files for line in path.read_text().splitlines())


def wait_for(condition):
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.01)


main()
