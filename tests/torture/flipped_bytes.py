"""One changed byte in what is stored: an error, or the same output; never others.

Three ways: bytes of the files of a small store in random order, without
repetition, as many as the time allows, read by the store itself
(tests/storage/flipped_bytes_test.cc) and by a daemon that starts on each; and a
byte of a table under a daemon that runs, whose next read meets it.
"""

import concurrent.futures
import os
import random
import re
import shutil
import subprocess
import sys
import time

from harness import Client, Daemon, sha256_by_path
import models


def small_model(directory, seed):
    return models.write_model(directory, models.small_tensors("BF16", 24, 32, seed))


def model_larger_than_the_cache(directory, seed):
    """Of one read nothing is left in memory for the next."""
    return models.write_model(directory, {
        "embeddings.table": models.raw_tensor("I8", (3000, 1000), seed),
        **{f"layer.{number}.weight": models.gaussian((512, 512), "BF16", seed + number)
           for number in range(8)}})


class Store:
    """A store of one model, and what its downloads must be."""

    def __init__(self, bin_dir, directory, seed, write_model):
        self.bin_dir, self.directory = bin_dir, directory
        self.random = random.Random(seed)
        directory.mkdir(parents=True)
        model = write_model(directory / "model", seed)
        self.whole = directory / "whole"
        with self.daemon(self.whole) as daemon:
            client = Client(bin_dir, daemon.address)
            client.json("upload", model, "org/m")
            client.json("download", "org/m", directory / "int8", "--precision", "int8")
        self.digests = {"original": sha256_by_path(model),
                        "int8": sha256_by_path(directory / "int8")}
        self.tried = 0
        self.detected = 0
        self.found = 0

    def daemon(self, data_dir):
        return Daemon(self.bin_dir, data_dir, self.directory / "qstored.log",
                      flags=("--block-cache", "1MiB"))

    def flip(self, path, position):
        """Changes one byte; returns what was done, and how to undo it."""
        mask = self.random.randrange(1, 256)

        def change():
            with open(path, "r+b") as file:
                file.seek(position)
                old = file.read(1)[0]
                file.seek(position)
                file.write(bytes([old ^ mask]))
        change()
        return f"{path.name}: byte {position} xor {mask}", change

    def positions(self):
        """(path relative to the store, offset) of its bytes.

        RocksDB does not read its options back.
        """
        return [(path.relative_to(self.whole), position)
                for path in sorted(self.whole.rglob("*"))
                if path.is_file() and not path.name.startswith("OPTIONS")
                for position in range(path.stat().st_size)]

    def check_downloads(self, daemon, what):
        """Whether anything was detected."""
        client = Client(self.bin_dir, daemon.address)
        detected = False
        for precision, digests in self.digests.items():
            target = self.directory / "out"
            done = client.run("download", "org/m", target, "--precision", precision)
            if done.returncode == 0:
                if sha256_by_path(target) != digests:
                    self.report(what, f"wrong bytes in precision {precision}")
                subprocess.run(["rm", "-r", target], check=True)
                continue
            detected = True
            if done.returncode < 0 or target.exists():
                self.report(what, f"status {done.returncode}, {done.stderr}")
        if daemon.process.poll() is not None:
            self.report(what, f"the daemon died: {daemon.process.returncode}")
        return detected

    def report(self, what, problem):
        self.found += 1
        print(f"flipped_bytes: {what}: {problem}", file=sys.stderr, flush=True)

    def flip_before_start(self, path, position):
        data_dir = self.directory / "flipped"
        shutil.rmtree(data_dir, ignore_errors=True)
        shutil.copytree(self.whole, data_dir)
        what, _ = self.flip(data_dir / path, position)
        self.tried += 1
        try:
            with self.daemon(data_dir) as daemon:
                self.detected += self.check_downloads(daemon, what)
        except RuntimeError as error:
            self.detected += 1
            if "(status 1)" not in str(error):
                self.report(what, f"{error}")

    def flip_each(self, positions, end):
        for path, position in positions:
            if time.monotonic() > end:
                return
            self.flip_before_start(path, position)

    def flip_while_running(self, end):
        tables = sorted(self.whole.rglob("*.sst"))
        with self.daemon(self.whole) as daemon:
            while time.monotonic() < end and daemon.process.poll() is None:
                table = self.random.choice(tables)
                what, undo = self.flip(table, self.random.randrange(table.stat().st_size))
                self.tried += 1
                self.detected += self.check_downloads(daemon, what)
                undo()


def flip_in_storage(context):
    settings = {"QSTORE_FLIP_SEED": str(context.seed), "QSTORE_FLIP_COUNT": str(1 << 60),
                "QSTORE_FLIP_SECONDS": str(int(context.seconds))}
    program = str(context.bin_dir / "flipped_bytes_test")
    done = subprocess.run([program], env={**os.environ, **settings}, text=True,
                          capture_output=True, check=False)
    said = re.search(r"(\d+) bytes changed, (\d+) detected", done.stdout)
    if done.returncode != 0:
        setting = " ".join(f"{name}={value}" for name, value in settings.items())
        print(f"{done.stdout[-4000:]}\nrepeat with: {setting} {program}", file=sys.stderr,
              flush=True)
    changed, detected = map(int, said.groups()) if said else (0, 0)
    return (f"one byte of a store changed, read by the store itself ({detected:,} detected)",
            changed, int(done.returncode != 0))


def run(context):
    start = Store(context.bin_dir, context.directory / "start", context.seed, small_model)
    running = Store(context.bin_dir, context.directory / "running", context.seed,
                    model_larger_than_the_cache)
    positions = start.positions()
    start.random.shuffle(positions)
    end = time.monotonic() + context.seconds
    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        in_storage = threads.submit(flip_in_storage, context)
        for work in (threads.submit(start.flip_each, positions, end),
                     threads.submit(running.flip_while_running, end)):
            work.result()
    return [in_storage.result()] + [
        (f"{what} ({store.detected:,} detected)", store.tried, store.found)
        for what, store in (
            (f"one of {len(positions):,} bytes of a store changed, then started", start),
            ("one byte of a table changed under a running daemon", running))]
