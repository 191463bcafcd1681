"""The data, made once and kept: rows {ts, id, value} a microsecond apart, as Parquet for those who load it into memory
and as text; lines of an access log. The same seed gives the same bytes."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

START_US = 1_735_689_600_000_000  # 2025-01-01 00:00:00 UTC
CHUNK = 500_000


def make(folder, rows, datasets):
    """Makes what is missing of these data sets; gives the paths by (data set, kind)."""
    folder = folder / f"{rows}"
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for name in datasets:
        kinds = ["log"] if name == "log" else ["parquet", "csv", "json"] if name == "uniform" else ["parquet", "csv"]
        for kind in kinds:
            path = folder / f"{name}.{kind}"
            paths[name, kind] = path
        if not all(paths[name, kind].exists() for kind in kinds):
            print(f"making {name}, {rows} rows", flush=True)
            (log if name == "log" else readings)(name, rows, {kind: paths[name, kind] for kind in kinds})
    return paths


def readings(name, rows, paths):
    random = np.random.default_rng(7)
    writing = {kind: path.with_suffix(path.suffix + ".part") for kind, path in paths.items()}
    files = {kind: open(path, "w") for kind, path in writing.items() if kind != "parquet"}
    keys = 100_000 if name == "many" else 1_000
    key_type = pa.string() if name == "names" else pa.int32()
    schema = pa.schema([("ts", pa.timestamp("us", "UTC")), ("id", key_type), ("value", pa.float64())])
    with pq.ParquetWriter(writing["parquet"], schema) as parquet:
        for start in range(0, rows, CHUNK):
            count = min(CHUNK, rows - start)
            ts = START_US + np.arange(start, start + count, dtype=np.int64)
            ids = random.integers(0, keys, count)
            values = np.round(random.uniform(0, 1000, count), 2)
            ids = [f"host-{i:04}.example.net" for i in ids] if name == "names" else ids.astype(np.int32)
            columns = [pa.array(ts, schema.field(0).type), pa.array(ids, key_type), pa.array(values)]
            parquet.write_table(pa.table(columns, schema=schema))
            texts = np.datetime_as_string(ts.astype("datetime64[us]"), unit="us")
            write_text(files, [text.replace("T", " ") for text in texts.tolist()], list(ids), values.tolist())
    for file in files.values():
        file.close()
    for kind, path in writing.items():
        path.rename(paths[kind])


def write_text(files, ts, ids, values):
    rows = list(zip(ts, ids, values))
    if "csv" in files:
        files["csv"].write("".join(f"{t},{i},{v}\n" for t, i, v in rows))
    if "json" in files:
        files["json"].write("".join(f'{{"ts":"{t}","id":{i},"value":{v}}}\n' for t, i, v in rows))


def log(_, rows, paths):
    random = np.random.default_rng(11)
    part = paths["log"].with_suffix(".part")
    with open(part, "w") as file:
        for start in range(0, rows, CHUNK):
            count = min(CHUNK, rows - start)
            seconds = np.datetime64("2025-01-01") + np.sort(random.integers(0, 86_400, count)).astype("timedelta64[s]")
            times = [f"01/Jan/2025:{str(t)[11:]} +0000" for t in seconds.astype("datetime64[s]")]
            status = random.choice([200, 200, 200, 200, 304, 404, 500, 301], count)
            host, page, size = (random.integers(0, most, count) for most in (65_536, 5_000, 200_000))
            file.write(
                "".join(
                    f'10.0.{h >> 8}.{h & 255} - - [{t}] "GET /articles/{p}/index.html HTTP/1.1" {s} {b}\n'
                    for h, t, p, s, b in zip(host, times, page, status, size)
                )
            )
    part.rename(paths["log"])
