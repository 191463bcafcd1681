"""What is asked of every engine: the workloads, and the query of each in the words of each engine.

All answers are tables of a time or status, a key, and aggregates; `normal` puts them into one order and one type, so
that they can be compared.
"""

from dataclasses import dataclass

import numpy as np

# Of an access log's line, Apache's common format: status and bytes are the fifth and sixth group.
PATTERN = r'^(\S+) \S+ \S+ \[([^\]]+)\] "(\S+) (\S+) [^"]*" (\d{3}) (\d+)$'
AGGREGATES = "count(*) AS n, sum(value) AS sum, min(value) AS low, max(value) AS high, avg(value) AS mean"


@dataclass(frozen=True)
class Workload:
    name: str
    title: str  # what it is called in a table for readers
    data: str  # which data set
    text: str = ""  # csv, json or log; else the data lies in memory
    where: str = ""
    value: str = "value"

    def aggregates(self):
        return AGGREGATES.replace("(value)", f"({self.value})")

    def condition(self):
        return f"WHERE {self.where}" if self.where else ""


EXPRESSION = "value * 1.8 + 32.0"
WORKLOADS = [
    Workload("keys", "1-second windows by 1,000 ids", "uniform"),
    Workload("many", "by 100,000 ids", "many"),
    Workload("names", "by 1,000 host names", "names"),
    *(
        Workload(f"where{n}", f"`WHERE` of {n} % and an expression", "uniform", where=f"value < {n}0.0", value=EXPRESSION)
        for n in (10, 50, 90)
    ),
    Workload("csv", "by 1,000 ids from CSV text", "uniform", text="csv"),
    Workload("json", "by 1,000 ids from JSON lines", "uniform", text="json"),
    Workload("log", "a web server's log by a pattern", "log", text="log"),
]


def windows(workload, table, window):
    """The query over rows {ts, id, value}; `window` is the engine's way to cut a time to the second."""
    return (
        f"SELECT {window} AS t, id, {workload.aggregates()} FROM {table} {workload.condition()} "
        f"GROUP BY {window}, id"
    )


def statuses(table, status, size):
    """The query over lines of a log."""
    return (
        f"SELECT {status} AS status, count(*) AS n, sum({size}) AS sum, min({size}) AS low, max({size}) AS high "
        f"FROM {table} GROUP BY {status}"
    )


def normal(columns):
    """Columns in one order of rows: times as seconds, keys as they are, numbers as doubles."""
    columns = [np.asarray(column) for column in columns]
    head = columns[0]
    if head.dtype.kind == "M":
        columns[0] = head.astype("datetime64[s]").astype(np.int64)
    elif head.dtype == object:
        columns[0] = head.astype(str)
    columns[1:] = [c.astype(str) if c.dtype.kind in "OUST" else c.astype(np.float64) for c in columns[1:]]
    order = np.lexsort((columns[1], columns[0]))
    return [column[order] for column in columns]


def difference(ours, theirs):
    """What differs between two normal answers; empty if nothing does."""
    if len(ours) != len(theirs) or len(ours[0]) != len(theirs[0]):
        return f"{len(ours[0])} rows here, {len(theirs[0])} there"
    for i, (a, b) in enumerate(zip(ours, theirs)):
        if a.dtype.kind == "f" and b.dtype.kind == "f":
            same = np.isclose(a, b, rtol=1e-9, atol=0)
        else:
            same = a.astype(str) == b.astype(str)
        if not same.all():
            at = int(np.argmin(same))
            return f"column {i} of row {at}: {a[at]} here, {b[at]} there"
    return ""
