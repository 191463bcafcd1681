"""Firesteel, from outside: a ring filled with `firesteel ring append`, jobs with `firesteel run`."""

import atexit
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pyarrow.csv

import workloads
from workloads import PATTERN

BINARY = os.environ.get("FIRESTEEL", "firesteel")
# What a row takes in a ring, key included, and then some: the ring must hold all rows at once.
ROW_BYTES = 64
# What the answers' ring holds; older rows make room for newer ones.
ANSWER_BYTES = 256 << 20


def version():
    return subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]


def key_type(workload):
    return "STRING" if workload.data == "names" else "INT"


def prepare(workload, paths, rows, folder):
    """Fills the ring if the workload reads one; gives the job's text."""
    if workload.text == "log":
        quoted = PATTERN.replace("\\", "\\\\")
        extract = lambda group: f"regexp_extract(value, '{quoted}', {group})"
        lines = f"(SELECT CAST({extract(5)} AS INT) AS s, CAST({extract(6)} AS BIGINT) AS b FROM log)"
        table = f"CREATE TABLE log USING text OPTIONS (path '{paths['log', 'log']}')"
        return f"{table};\n{workloads.statuses(lines, 's', 'b')};"
    window = "window(ts, '1 second')"
    query = workloads.windows(workload, "readings", window).replace(f"{window} AS t", "window.start AS t")
    columns = f"ts TIMESTAMP, id {key_type(workload)}, value DOUBLE"
    if workload.text:
        source = f"USING {workload.text} OPTIONS (path '{paths[workload.data, workload.text]}')"
    else:
        ring = fill(workload, paths, rows, folder, columns)
        source = f"USING ring OPTIONS (path '{ring}')"
    return f"CREATE TABLE readings ({columns}) {source};\n{query};"


def fill(workload, paths, rows, folder, columns):
    ring = Path(folder) / f"{workload.data}-{rows}.ring"
    if not ring.exists():
        capacity = 1 << (rows * ROW_BYTES - 1).bit_length()
        create = [BINARY, "ring", "create", ring, "--schema", columns, "--capacity", str(capacity)]
        subprocess.run(create, check=True, capture_output=True)
        with open(paths[workload.data, "csv"]) as text:
            append = [BINARY, "ring", "append", ring, "--lane", "a", "--finish"]
            subprocess.run(append, stdin=text, check=True, capture_output=True)
    return ring


def run(job, threads, runs, folder):
    """Runs a job once, printing its answer, and then so many times into a ring; gives the answer, the seconds that the
    engine reports for the epoch, and those of the whole process."""
    folder = Path(folder)
    printing, storing, out = folder / "print.sql", folder / "store.sql", folder / "answer.csv"
    table, query = job.split(";\n", 1)
    table = f"SET spark.sql.session.timeZone = UTC;\n{table};\n"
    into = f"CREATE TABLE answers USING ring OPTIONS (path '{answers(job, folder)}');\nINSERT INTO answers\n"
    printing.write_text(table + query)
    storing.write_text(table + into + query)
    with open(out, "w") as to:
        stream(printing, threads, folder, to)
    times = [stream(storing, threads, folder, subprocess.DEVNULL) for _ in range(runs + 1)][1:]
    return answer(out), [inside for inside, _ in times], [outside for _, outside in times]


def answers(job, folder):
    """A ring for the answers: where peers keep theirs as columns in memory, so do we."""
    key = "STRING" if "id STRING" in job else "INT"
    readings = f"t TIMESTAMP, id {key}, n BIGINT, sum DOUBLE, low DOUBLE, high DOUBLE, mean DOUBLE"
    columns = "status INT, n BIGINT, sum BIGINT, low BIGINT, high BIGINT" if "status" in job else readings
    memory = Path("/dev/shm") if Path("/dev/shm").is_dir() else folder
    ring = memory / "firesteel-peers-answers"
    shutil.rmtree(ring, ignore_errors=True)
    create = [BINARY, "ring", "create", ring, "--schema", columns, "--capacity", str(ANSWER_BYTES)]
    subprocess.run([*create, "--on-full", "overwrite"], check=True, capture_output=True)
    atexit.register(shutil.rmtree, ring, ignore_errors=True)
    return ring


def stream(job, threads, folder, to):
    """Runs a job as a stream that takes what is there and ends: the one way to be told how long the engine took."""
    cores, progress = sorted(os.sched_getaffinity(0))[:threads], folder / "progress.json"
    command = [BINARY, "run", job, "--format", "csv", "--stream", "--available-now", "--output-mode", "update"]
    command += ["--cores", ",".join(map(str, cores)), "--progress-file", progress]
    progress.unlink(missing_ok=True)
    start = time.perf_counter()
    subprocess.run(command, stdout=to, check=True, preexec_fn=lambda: os.sched_setaffinity(0, cores))
    outside = time.perf_counter() - start
    epochs = [json.loads(line) for line in progress.read_text().splitlines()]
    return sum(epoch["durationMs"]["triggerExecution"] for epoch in epochs) / 1000, outside


def answer(path):
    table = pyarrow.csv.read_csv(path)
    columns = [column.to_numpy() for column in table.combine_chunks().columns]
    # More than one epoch tells a group more than once: the last one counts.
    keys = list(zip(columns[0].tolist(), columns[1].tolist())) if len(columns) > 5 else columns[0].tolist()
    last = {key: row for row, key in enumerate(keys)}
    rows = np.fromiter(last.values(), dtype=np.int64)
    return workloads.normal([column[rows] for column in columns])
