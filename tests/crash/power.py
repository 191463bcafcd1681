#!/usr/bin/env python3
"""Cuts the power of the disk that a run with checkpoints writes to, again and again, and starts it anew on what the disk
kept: its results must be those of a run that was left alone, to the byte.

    tests/crash/power.py --bin target/release/firesteel --cuts 200     about a minute
    tests/crash/power.py --bin target/release/firesteel --cuts 10      for CI

The disk is an ext4 image, mounted through a loop device; EXT4_IOC_SHUTDOWN without a flush of its journal takes all
from it that was not made durable. Needs root, loop devices and mkfs.ext4."""

import argparse
import fcntl
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from job import Run, write_input

EXT4_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, struct.pack("I", 2)
IMAGE_BYTES = 32 << 20
# Cuts of one run, crashes during recovery among them, before it is left to end.
CUTS_A_RUN = 5


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        missing = what_is_missing(folder)
        if missing:
            return print(f"SKIPPED, no power is cut: {missing}")
        write_input(folder / "in")
        alone = Run(args.bin, folder, "alone")
        began = time.monotonic()
        if alone.start().returncode:
            sys.exit("the run that is left alone fails")
        expected, duration = alone.results(), time.monotonic() - began
        runs = range(-(-args.cuts // CUTS_A_RUN))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            tries = pool.map(lambda n: try_run(args.bin, folder, f"{args.seed}-{n}", duration, expected), runs)
            outcomes = list(tries)
    problems = [problem for _, problem in outcomes if problem]
    for problem in problems[:20]:
        print(problem)
    in_work = sum(cuts for cuts, _ in outcomes)
    print(f"{len(runs) * CUTS_A_RUN} cuts, {in_work} of them while it ran: {len(runs) - len(problems)} runs passed, "
          f"{len(problems)} failed (--seed {args.seed})")
    sys.exit(bool(problems))


def what_is_missing(folder):
    if os.geteuid():
        return "only root may mount"
    if not shutil.which("mkfs.ext4"):
        return "there is no mkfs.ext4"
    try:
        Disk(folder, "probe").remove()
    except (OSError, subprocess.CalledProcessError) as error:
        return f"no image can be mounted or shut down here: {error}"


class Disk:
    def __init__(self, folder, name):
        self.image, self.path = folder / f"{name}.img", folder / f"{name}.mnt"
        self.path.mkdir()
        with open(self.image, "wb") as image:
            image.truncate(IMAGE_BYTES)
        call("mkfs.ext4", "-q", "-F", self.image)
        self.mount()

    def mount(self):
        call("mount", "-o", "loop", self.image, self.path)

    def cut(self):
        """All that is not durable is gone, and every call fails from now on."""
        root = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(root, EXT4_IOC_SHUTDOWN, NO_LOG_FLUSH)
        finally:
            os.close(root)

    def start_again(self):
        self.unmount()
        self.mount()

    def unmount(self):
        """A process that another thread is about to start holds our files for a moment, too."""
        for _ in range(100):
            try:
                return call("umount", self.path)
            except subprocess.CalledProcessError:
                time.sleep(0.05)
        call("umount", self.path)

    def remove(self):
        self.unmount()
        self.path.rmdir()
        self.image.unlink()


def try_run(binary, folder, name, duration, expected):
    """How many cuts met the run at work, and what is wrong; nothing if all is well."""
    chance = random.Random(name)
    disk = Disk(folder, name)
    run, in_work = Run(binary, folder, name, disk.path), 0
    try:
        for cut in range(CUTS_A_RUN):
            process = run.begin()
            time.sleep(chance.uniform(0, duration))
            in_work += process.poll() is None
            disk.cut()
            process.kill()
            words = process.communicate()[1]
            disk.start_again()
            if "panicked" in words:
                return in_work, f"{name}, cut {cut}: a panic: {words}"
        again = run.start()
        if again.returncode:
            return in_work, f"{name}: does not start again: {again.stderr}"
        now = run.results()
        if now != expected:
            return in_work, f"{name}: {len(now)} files, {len(expected)} expected, or other contents"
        return in_work, None
    finally:
        disk.remove()


def call(*words):
    subprocess.run([str(word) for word in words], check=True, capture_output=True)


main()
