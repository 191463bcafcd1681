"""Firesteel and its peers on the same data: checks that the answers agree, then prints medians as a table."""

import argparse
import json
import os
import pickle
import platform
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import data
import firesteel
import workloads

HERE = Path(__file__).parent
PEERS = ["duckdb", "clickhouse", "polars", "datafusion", "spark"]


# What one engine may take for the timed runs of one workload before three runs are enough.
PATIENCE_S = 6
NAMES = {"firesteel": "Firesteel", "duckdb": "DuckDB", "clickhouse": "ClickHouse", "polars": "Polars"}
NAMES |= {"datafusion": "DataFusion", "spark": "Spark"}


@dataclass
class Result:
    workload: workloads.Workload
    threads: int
    engine: str
    times: list
    note: str  # whether the answer agrees
    process: list = field(default_factory=list)  # wall time of our whole process


def main():
    args = arguments()
    args.folder.mkdir(parents=True, exist_ok=True)
    wanted = [w for w in workloads.WORKLOADS if w.name in args.workloads]
    paths = data.make(args.folder, args.rows, sorted({w.data for w in wanted}))
    engines = [engine for engine in args.engines if available(engine)]
    print(machine())
    print(f"rows {args.rows}, medians of {args.runs} runs after one to warm up", flush=True)
    versions, results = {"firesteel": firesteel.version()}, []
    for workload in wanted:
        job = firesteel.prepare(workload, paths, args.rows, args.folder)
        for threads in args.threads:
            answer, times, process = firesteel.run(job, threads, args.runs, args.folder)
            results.append(Result(workload, threads, "firesteel", times, "", process))
            for engine in engines:
                results.append(measure_peer(engine, workload, threads, answer, versions, args))
                print(".", end="", flush=True, file=sys.stderr)
    print(file=sys.stderr)
    print("versions", ", ".join(f"{name} {version}" for name, version in sorted(versions.items())))
    print_runs(results, paths, args.rows)
    print_rates(results, paths, args, versions)
    sys.exit(1 if any(r.note.startswith("differs") for r in results) else 0)


def arguments():
    parser = argparse.ArgumentParser(prog="run", description=__doc__)
    parser.add_argument("--rows", type=int, default=8_000_000, help="rows of each data set (default: %(default)s)")
    numbers = lambda text: [int(n) for n in names_of(["1", "2"])(text)]
    parser.add_argument("--threads", type=numbers, default=[1, 2], help="threads of every engine, each pinned (1,2)")
    parser.add_argument("--runs", type=int, default=5, help="timed runs (default: %(default)s)")
    names = [w.name for w in workloads.WORKLOADS]
    parser.add_argument("--workloads", type=names_of(names), default=names, help="some of " + ",".join(names))
    parser.add_argument("--engines", type=names_of(PEERS), default=PEERS, help="some of " + ",".join(PEERS))
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "firesteel-peers-data"
    parser.add_argument("--folder", type=Path, default=default, help="where data are kept (default: %(default)s)")
    return parser.parse_args()


def names_of(known):
    def parse(text):
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
        return names

    return parse


def available(engine):
    if engine == "spark" and not shutil.which("java"):
        print("spark is left out: it needs Java 17 on the PATH (apt install openjdk-17-jre-headless)")
        return False
    return True


def machine():
    models = (line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    model = next(models, platform.processor())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    return f"machine  {model}, {os.cpu_count()} CPUs, {memory} GiB, Linux {platform.release()}"


def measure_peer(engine, workload, threads, ours, versions, args):
    """The times, and what differs, if anything."""
    runs = [args.runs, PATIENCE_S]
    command = [sys.executable, HERE / "engines.py", engine, threads, *runs, workload.name, args.rows, args.folder]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        # Frames of a stack are indented; what they belong to is not.
        reason = next((line for line in reversed(done.stderr.splitlines()) if line[:1].strip()), "no word")
        return Result(workload, threads, engine, [], f"failed: {reason[:100]}")
    report = json.loads(done.stdout.strip().splitlines()[-1])
    versions[engine] = report["version"]
    answer = Path(report["answer"])
    with open(answer, "rb") as file:
        difference = workloads.difference(ours, pickle.load(file))
    answer.unlink()
    note = f"differs: {difference}" if difference else "agrees"
    return Result(workload, threads, engine, report["times"], note)


def print_runs(results, paths, rows):
    """Every engine on every workload, with the spread."""
    print()
    print("| workload | threads | engine | seconds | M rows/s | MB/s | spread | answer |")
    print("|---|---:|---|---:|---:|---:|---|---|")
    for r in results:
        head = f"| {r.workload.name} | {r.threads} | {r.engine} |"
        if not r.times:
            print(f"{head} | | | | {r.note} |")
            continue
        median, speed = statistics.median(r.times), bytes_per_second(r, paths)
        rate = f"{speed / 1e6:.0f}" if speed else ""
        spread = f"{min(r.times):.3f} to {max(r.times):.3f}"
        note = f"whole process {statistics.median(r.process):.3f} s" if r.process else r.note
        print(f"{head} {median:.3f} | {rows / median / 1e6:.1f} | {rate} | {spread} | {note} |")


def print_rates(results, paths, args, versions):
    """A row a workload, a column an engine: millions of rows a second with each number of threads."""
    engines = [engine for engine in ["firesteel", *PEERS] if any(r.engine == engine for r in results)]
    title = lambda engine: " ".join([NAMES[engine], versions.get(engine, "") if engine != "firesteel" else ""]).strip()
    print()
    print("M rows/s with", " / ".join(map(str, args.threads)), "threads")
    print()
    print("| | " + " | ".join(title(engine) for engine in engines) + " |")
    print("|---|" + "---:|" * len(engines))
    for workload in dict.fromkeys(r.workload for r in results):
        cells = []
        for engine in engines:
            own = [r for r in results if r.workload == workload and r.engine == engine]
            rates = [args.rows / statistics.median(r.times) / 1e6 if r.times else 0 for r in own]
            cells.append(" / ".join(f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}" if rate else "-" for rate in rates))
        print(f"| {workload.title} | " + " | ".join(cells) + " |")


def bytes_per_second(result, paths):
    workload = result.workload
    size = os.path.getsize(paths[workload.data, workload.text]) if workload.text else 0
    return size / statistics.median(result.times)


if __name__ == "__main__":
    main()
