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
from pathlib import Path

import data
import firesteel
import workloads

HERE = Path(__file__).parent
PEERS = ["duckdb", "clickhouse", "polars", "datafusion", "spark"]


def main():
    args = arguments()
    args.folder.mkdir(parents=True, exist_ok=True)
    wanted = [w for w in workloads.WORKLOADS if w.name in args.workloads]
    paths = data.make(args.folder, args.rows, sorted({w.data for w in wanted}))
    engines = [engine for engine in args.engines if available(engine)]
    print(machine())
    print(f"rows {args.rows}, threads {args.threads}, medians of {args.runs} runs after one to warm up", flush=True)
    versions, results, failed = {}, [], False
    for workload in wanted:
        ours = measure_ours(workload, paths, args)
        results.append((workload, "firesteel", ours["times"], ours["process"], ""))
        for engine in engines:
            note, times = measure_peer(engine, workload, ours["answer"], versions, args)
            failed |= note.startswith("differs")
            results.append((workload, engine, times, None, note))
            print(".", end="", flush=True, file=sys.stderr)
    print(file=sys.stderr)
    versions["firesteel"] = firesteel.version()
    print("versions", ", ".join(f"{name} {version}" for name, version in sorted(versions.items())))
    print_table(results, paths, args.rows)
    sys.exit(1 if failed else 0)


def arguments():
    parser = argparse.ArgumentParser(prog="run", description=__doc__)
    parser.add_argument("--rows", type=int, default=8_000_000, help="rows of each data set (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, choices=[1, 2], help="threads of every engine, each pinned")
    parser.add_argument("--runs", type=int, default=11, help="timed runs (default: %(default)s)")
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


def measure_ours(workload, paths, args):
    job = firesteel.prepare(workload, paths, args.rows, args.folder)
    answer, inside, outside = firesteel.run(job, args.threads, args.runs, args.folder)
    return {"answer": answer, "times": inside, "process": outside}


def measure_peer(engine, workload, ours, versions, args):
    """What differs, if anything, and the times."""
    runs = min(args.runs, 3) if engine == "spark" else args.runs
    command = [sys.executable, HERE / "engines.py", engine, args.threads, runs, workload.name, args.rows, args.folder]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no word"])[-1]
        return f"failed: {reason[:100]}", []
    report = json.loads(done.stdout.strip().splitlines()[-1])
    versions[engine] = report["version"]
    answer = Path(report["answer"])
    with open(answer, "rb") as file:
        difference = workloads.difference(ours, pickle.load(file))
    answer.unlink()
    return (f"differs: {difference}" if difference else "agrees"), report["times"]


def print_table(results, paths, rows):
    print()
    print("| workload | engine | seconds | M rows/s | MB/s | spread | answer |")
    print("|---|---|---:|---:|---:|---:|---|")
    for workload, engine, times, process, note in results:
        name = f"{workload.name} ({workload.row})"
        if not times:
            print(f"| {name} | {engine} | | | | | {note} |")
            continue
        median = statistics.median(times)
        size = os.path.getsize(paths[workload.data, workload.text]) if workload.text else 0
        rate = f"{size / median / 1e6:.0f}" if size else ""
        spread = f"{min(times):.3f} to {max(times):.3f}"
        if process:
            note = f"whole process {statistics.median(process):.3f} s"
        print(f"| {name} | {engine} | {median:.3f} | {rows / median / 1e6:.1f} | {rate} | {spread} | {note} |")


if __name__ == "__main__":
    main()
