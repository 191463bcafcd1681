#!/usr/bin/env python3
"""Runs queries that would take any memory under --memory, and watches what the process takes: they must fail alone, with
words, and the process must stay within the bound, one doubling of a table above it, and what it takes when it does
nothing. A long stream must stay where it is.

    tests/crash/memory.py --bin target/release/firesteel                 a minute
    tests/crash/memory.py --bin target/release/firesteel --soak 3600     an hour of windows over ten thousand keys"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MEMORY_MB, IDLE_MB = 64, 40
BOMBS = {
    "groups": "SELECT id, count(*) FROM range(10000000) GROUP BY id;",
    "groups by text": "SELECT concat('a key of some length ', id) AS k, count(*) FROM range(10000000) GROUP BY 1;",
    "lists": "SELECT id % 3 AS k, size(collect_list(concat('text ', id))) FROM range(10000000) GROUP BY id % 3;",
    "percentiles": "SELECT percentile(id, 0.5) FROM range(20000000);",
    "sort": "SELECT id FROM range(20000000) ORDER BY id % 1000, id DESC LIMIT 3;",
    "join": "SELECT count(*) FROM range(5000000) a JOIN range(5000000) b ON a.id = b.id;",
    "a key of a million rows": "SELECT count(*) FROM range(10) a JOIN range(1000000) b ON a.id * 0 = b.id * 0;",
    "windows of a year": "CREATE TABLE n USING rate; SELECT window.start, count(*) FROM n "
                         "WATERMARK timestamp DELAY OF INTERVAL 1 SECOND "
                         "GROUP BY window(timestamp, '365 days', '1 microsecond');",
    "regular expression": "SELECT count(*) FROM range(10) WHERE concat('', id) RLIKE '(a{1000}){1000}';",
}
MAY_PASS = {"a key of a million rows"}
SOAK = """CREATE TABLE n USING `rate-micro-batch` OPTIONS (rowsPerBatch '20000', advanceMillisPerBatch '1000');
CREATE TABLE o USING noop;
INSERT INTO o SELECT window.start, value % 10000 AS k, count(*), min(value), avg(value)
FROM n WATERMARK timestamp DELAY OF INTERVAL 1 SECOND GROUP BY window(timestamp, '10 seconds', '2 seconds'), value % 10000;
"""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--soak", type=int, default=10, help="seconds of the long stream")
    args = parser.parse_args()
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        for name, sql in [*BOMBS.items(), ("a long stream", SOAK)]:
            seconds = args.soak if name == "a long stream" else 120
            status, peak, words = run(args.bin, Path(folder), sql, seconds)
            fine = status in ((0,) if name == "a long stream" else (0, 1, 2) if name in MAY_PASS else (1, 2))
            fine = fine and peak < 2 * MEMORY_MB + IDLE_MB and "panicked" not in words
            print(f"{name}: status {status}, {peak} MB{'' if fine else f', WRONG: {words}'}")
            failed += [] if fine else [name]
    sys.exit(bool(failed))


def run(binary, folder, sql, seconds):
    """Exit status, peak of resident memory in megabytes, and what was said; stopped after so many seconds."""
    job, words = folder / "job.sql", folder / "words"
    job.write_text(sql)
    with open(words, "w") as stderr:
        process = subprocess.Popen([binary, "run", str(job), "--memory", f"{MEMORY_MB}MB"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=stderr)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        time.sleep(0.02)
    if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        process.terminate()
    _, status, usage = os.wait4(process.pid, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_maxrss // 1024, words.read_text()[:300]


main()
