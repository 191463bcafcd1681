"""Firesteel, from outside: a ring filled with `firesteel ring append`, jobs with `firesteel run`."""

import json
import os
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
    """Runs a job once to warm up and then so many times; gives the answer, the seconds that the engine reports for the
    epoch, and those of the whole process."""
    folder = Path(folder)
    text, progress, out = folder / "job.sql", folder / "progress.json", folder / "answer.csv"
    text.write_text("SET spark.sql.session.timeZone = UTC;\n" + job)
    cores = sorted(os.sched_getaffinity(0))[:threads]
    # A stream that takes what is there and ends: the one way to be told how long the engine itself took.
    command = [BINARY, "run", text, "--format", "csv", "--stream", "--available-now", "--output-mode", "update"]
    command += ["--cores", ",".join(map(str, cores)), "--progress-file", progress]
    inside, outside = [], []
    for _ in range(runs + 1):
        progress.unlink(missing_ok=True)
        with open(out, "w") as to:
            start = time.perf_counter()
            subprocess.run(command, stdout=to, check=True, preexec_fn=lambda: os.sched_setaffinity(0, cores))
            outside.append(time.perf_counter() - start)
        epochs = [json.loads(line) for line in progress.read_text().splitlines()]
        inside.append(sum(epoch["durationMs"]["triggerExecution"] for epoch in epochs) / 1000)
    return answer(out), inside[1:], outside[1:]


def answer(path):
    table = pyarrow.csv.read_csv(path)
    columns = [column.to_numpy() for column in table.combine_chunks().columns]
    # More than one epoch tells a group more than once: the last one counts.
    keys = list(zip(columns[0].tolist(), columns[1].tolist())) if len(columns) > 5 else columns[0].tolist()
    last = {key: row for row, key in enumerate(keys)}
    rows = np.fromiter(last.values(), dtype=np.int64)
    return workloads.normal([column[rows] for column in columns])
