"""The engines. Each is made for a number of threads, is given the data (not timed where they lie in memory), and then
answers as often as it is asked: `prepare(workload, paths)` returns a function whose call is what is timed; what it
gives, `columns` turns into NumPy arrays, not timed.

Run as a program, this file is one engine in a process of its own, pinned to as many cores as it has threads:
    engines.py ENGINE THREADS RUNS PATIENCE WORKLOAD ROWS FOLDER        answer and times go to a file named on stdout
"""

import json
import os
import pickle
import sys
import tempfile
import time
from pathlib import Path

import data
import workloads
from workloads import PATTERN, Workload

CSV_TYPES = {"ts": "TIMESTAMP", "id": "INTEGER", "value": "DOUBLE"}


class DuckDB:
    def __init__(self, threads):
        import duckdb

        self.version = duckdb.__version__
        self.db = duckdb.connect()
        self.db.execute(f"SET threads = {threads}; SET TimeZone = 'UTC'; SET preserve_insertion_order = false")

    def prepare(self, workload, paths):
        if workload.text == "log":
            plain = "columns = {'line': 'VARCHAR'}, delim = '\x01', quote = '', escape = '', header = false"
            groups = ["host", "at", "verb", "page", "status", "bytes"]
            lines = f"read_csv('{paths['log', 'log']}', {plain})"
            match = f"(SELECT regexp_extract(line, '{PATTERN}', {groups}) AS m FROM {lines})"
            query = workloads.statuses(match, "CAST(m.status AS INTEGER)", "CAST(m.bytes AS BIGINT)")
        else:
            query = workloads.windows(workload, self.table(workload, paths), "date_trunc('second', ts)")
        return lambda: self.db.execute(query).fetchnumpy()

    def table(self, workload, paths):
        path = paths[workload.data, workload.text or "parquet"]
        if workload.text == "csv":
            return f"read_csv('{path}', columns = {CSV_TYPES}, header = false)"
        if workload.text == "json":
            return f"read_json('{path}', columns = {CSV_TYPES}, format = 'newline_delimited')"
        self.db.execute(f"CREATE TABLE readings AS SELECT ts::TIMESTAMP AS ts, id, value FROM '{path}'")
        return "readings"

    def columns(self, answer):
        return list(answer.values())


class ClickHouse:
    def __init__(self, threads):
        import chdb
        from chdb import session

        self.version = chdb.__version__
        self.session = session.Session()
        self.session.query(f"SET max_threads = {threads}")
        self.threads = threads

    def prepare(self, workload, paths):
        if workload.text == "log":
            groups = f"extractGroups(line, '{PATTERN}')".replace("\\", "\\\\")
            lines = f"(SELECT {groups} AS m FROM file('{paths['log', 'log']}', 'LineAsString', 'line String'))"
            query = workloads.statuses(lines, "toInt32(m[5])", "toInt64(m[6])")
        else:
            query = workloads.windows(workload, self.table(workload, paths), "toStartOfSecond(ts)")
        query += f" SETTINGS max_threads = {self.threads}, max_insert_threads = {self.threads}"
        return lambda: self.session.query(query, "ArrowStream")

    def table(self, workload, paths):
        path = paths[workload.data, workload.text or "parquet"]
        key = "String" if workload.data == "names" else "Int32"
        columns = f"ts DateTime64(6, ''UTC''), id {key}, value Float64"
        if workload.text:
            kind = "CSV" if workload.text == "csv" else "JSONEachRow"
            return f"file('{path}', '{kind}', '{columns}')"
        self.session.query("CREATE DATABASE IF NOT EXISTS bench ENGINE = Atomic")
        columns = columns.replace("''", "'")
        self.session.query(f"CREATE TABLE bench.readings ({columns}) ENGINE = Memory")
        self.session.query(f"INSERT INTO bench.readings SELECT * FROM file('{path}', 'Parquet')")
        return "bench.readings"

    def columns(self, answer):
        import pyarrow as pa

        return arrow_columns(pa.ipc.open_stream(answer.bytes()).read_all())


class Polars:
    def __init__(self, threads):
        os.environ["POLARS_MAX_THREADS"] = str(threads)
        import polars

        self.pl = polars
        self.version = polars.__version__

    def prepare(self, workload, paths):
        pl = self.pl
        if workload.text == "log":
            group = lambda i: pl.col("line").str.extract(PATTERN, i)
            plain = {"has_header": False, "separator": "\x01", "quote_char": None, "new_columns": ["line"]}
            frame = pl.scan_csv(paths["log", "log"], **plain)
            frame = frame.select(status=group(5).cast(pl.Int32), value=group(6).cast(pl.Int64))
            query = frame.group_by("status").agg(self.aggregates(pl.col("value"))[:4])
        else:
            frame = self.frame(workload, paths)
            if workload.where:
                frame = frame.filter(pl.col("value") < float(workload.where.split()[-1]))
            value = pl.col("value") * 1.8 + 32.0 if workload.value != "value" else pl.col("value")
            query = frame.group_by(pl.col("ts").dt.truncate("1s").alias("t"), "id").agg(self.aggregates(value))
        # The streaming engine is the faster one over files, the other in memory.
        engine = "streaming" if workload.text else "in-memory"
        return lambda: query.collect(engine=engine)

    def aggregates(self, value):
        pl = self.pl
        named = {"n": pl.len(), "sum": value.sum(), "low": value.min(), "high": value.max(), "mean": value.mean()}
        return [expression.alias(name) for name, expression in named.items()]

    def frame(self, workload, paths):
        pl = self.pl
        path = paths[workload.data, workload.text or "parquet"]
        types = {"ts": pl.String, "id": pl.Int32, "value": pl.Float64}
        time = pl.col("ts").str.to_datetime("%Y-%m-%d %H:%M:%S%.6f", time_unit="us")
        if workload.text == "csv":
            return pl.scan_csv(path, has_header=False, schema=types).with_columns(time)
        if workload.text == "json":
            return pl.scan_ndjson(path, schema=types).with_columns(time)
        return pl.read_parquet(path).lazy()

    def columns(self, answer):
        return arrow_columns(answer.to_arrow())


class DataFusion:
    def __init__(self, threads):
        os.environ["TOKIO_WORKER_THREADS"] = str(threads)
        import datafusion

        self.datafusion = datafusion
        self.version = datafusion.__version__
        self.context = datafusion.SessionContext(datafusion.SessionConfig().with_target_partitions(threads))

    def prepare(self, workload, paths):
        import pyarrow as pa
        import pyarrow.parquet as pq

        context = self.context
        if workload.text == "log":
            schema = pa.schema([("line", pa.string())])
            plain = {"has_header": False, "delimiter": "\x01", "quote": "\x02", "file_extension": ".log"}
            options = self.datafusion.CsvReadOptions(schema=schema, **plain)
            context.register_csv("log", str(paths["log", "log"]), options=options)
            match = f"(SELECT regexp_match(line, '{PATTERN}') AS m FROM log)"
            query = workloads.statuses(match, "CAST(m[5] AS INT)", "CAST(m[6] AS BIGINT)")
            return lambda: context.sql(query).collect()
        path = paths[workload.data, workload.text or "parquet"]
        schema = pa.schema([("ts", pa.timestamp("us")), ("id", pa.int32()), ("value", pa.float64())])
        if workload.text == "csv":
            context.register_csv("readings", str(path), schema=schema, has_header=False)
        elif workload.text == "json":
            context.register_json("readings", str(path), schema=schema, file_extension=".json")
        else:
            context.register_record_batches("readings", [pq.read_table(path).to_batches(max_chunksize=8192)])
        query = workloads.windows(workload, "readings", "date_trunc('second', ts)")
        return lambda: context.sql(query).collect()

    def columns(self, answer):
        import pyarrow as pa

        return arrow_columns(pa.Table.from_batches(answer))


class Spark:
    def __init__(self, threads):
        import pyspark
        from pyspark.sql import SparkSession

        self.version = pyspark.__version__
        builder = SparkSession.builder.master(f"local[{threads}]").config("spark.ui.enabled", "false")
        builder = builder.config("spark.sql.session.timeZone", "UTC").config("spark.sql.shuffle.partitions", threads)
        builder = builder.config("spark.driver.memory", "6g").config("spark.log.level", "ERROR")
        builder = builder.config("spark.sql.execution.arrow.pyspark.enabled", "true")
        self.spark = builder.getOrCreate()

    def prepare(self, workload, paths):
        spark = self.spark
        if workload.text == "log":
            spark.read.text(str(paths["log", "log"])).createOrReplaceTempView("log")
            pattern = PATTERN.replace("\\", "\\\\")
            extract = lambda i: f"regexp_extract(value, '{pattern}', {i})"
            match = f"(SELECT CAST({extract(5)} AS INT) AS s, CAST({extract(6)} AS BIGINT) AS b FROM log)"
            query = workloads.statuses(match, "s", "b")
        else:
            self.read(workload, paths).createOrReplaceTempView("readings")
            query = workloads.windows(workload, "readings", "date_trunc('SECOND', ts)")
        return lambda: spark.sql(query).toArrow()

    def read(self, workload, paths):
        path = str(paths[workload.data, workload.text or "parquet"])
        if workload.text:
            return self.spark.read.schema("ts TIMESTAMP, id INT, value DOUBLE").format(workload.text).load(path)
        frame = self.spark.read.parquet(path).cache()
        frame.count()
        return frame

    def columns(self, answer):
        return arrow_columns(answer)


def arrow_columns(table):
    return [column.to_numpy() for column in table.combine_chunks().columns]


ENGINES = {"duckdb": DuckDB, "clickhouse": ClickHouse, "polars": Polars, "datafusion": DataFusion, "spark": Spark}


def main():
    name, threads, runs, patience, wanted, rows, folder = sys.argv[1:]
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(threads)])
    workload = next(w for w in workloads.WORKLOADS if w.name == wanted)
    paths = data.make(Path(folder), int(rows), [workload.data])
    engine = ENGINES[name](int(threads))
    ask = engine.prepare(workload, paths)
    answer = ask()  # warm-up, and what is checked
    times = []
    # Who takes long runs three times: enough for a median.
    while len(times) < min(int(runs), 3) or (len(times) < int(runs) and sum(times) < float(patience)):
        start = time.perf_counter()
        ask()
        times.append(time.perf_counter() - start)
    with tempfile.NamedTemporaryFile(delete=False, dir=folder, suffix=".answer") as file:
        pickle.dump(workloads.normal(engine.columns(answer)), file)
    print(json.dumps({"times": times, "version": engine.version, "answer": file.name}))


if __name__ == "__main__":
    main()
