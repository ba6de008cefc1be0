#!/usr/bin/python3
"""Measures what serving and storing a model costs, beside peers, and prints two tables.

    bench_serve.py --bin-dir DIR [--flight PYTHON] [--rounds N] [--gigabytes G] MODEL_DIR

Every round measures each row once, one after another; the tables have the medians. CPU
seconds are those of the whole process, user and system. A row moves at least G GB.
"""

import argparse
import collections
import json
import math
import os
import pathlib
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from qstore_process import Client, Daemon  # noqa: E402

GIGABYTE = 1e9
MODEL = "bench/model"
PEER_BYTES = 150_000_000
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """User and system time of a process, its ended threads included."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def last_json(command):
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def raw_socket(path, rounds):
    """The machine's ceiling: the same bytes over one TCP connection, 1 MiB a write."""
    content = memoryview(path.read_bytes())
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    child = os.fork()
    if child == 0:
        connection, _ = listener.accept()
        for _ in range(rounds):
            for begin in range(0, len(content), 1 << 20):
                connection.sendall(content[begin:begin + (1 << 20)])
        connection.close()
        os._exit(0)
    buffer = bytearray(1 << 20)
    received = 0
    before = resource.getrusage(resource.RUSAGE_SELF)
    begin = time.monotonic()
    with socket.create_connection(listener.getsockname()) as connection:
        listener.close()
        while (count := connection.recv_into(buffer)):
            received += count
    seconds = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_SELF)
    _, _, server = os.wait4(child, 0)
    return {"bytes": received, "seconds": seconds,
            "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
            "server_cpu_seconds": server.ru_utime + server.ru_stime}


class Bench:
    def __init__(self, arguments, work):
        self.bin_dir = pathlib.Path(arguments.bin_dir)
        self.bench = str(self.bin_dir / "qstore-bench")
        self.model = pathlib.Path(arguments.model)
        self.least_bytes = arguments.gigabytes * GIGABYTE
        self.work = work
        self.samples = collections.defaultdict(list)  # by row
        self.original_bytes = sum(file.stat().st_size
                                  for file in self.model.glob("*.safetensors"))

    def daemon(self, name, *flags):
        return Daemon(self.bin_dir, self.work / name, self.work / f"{name}.log", flags=flags)

    def rounds_for(self, size_bytes, streams=1):
        return max(1, math.ceil(self.least_bytes / size_bytes / streams))

    def download(self, row, daemon, precision, streams, *flags):
        size = self.stored_bytes[precision]
        before = cpu_seconds(daemon.pid)
        sample = last_json([
            self.bench, "download", "--server", daemon.address, "--precision", precision,
            "--streams", str(streams), "--rounds", str(self.rounds_for(size, streams)),
            *flags, MODEL])
        sample["server_cpu_seconds"] = cpu_seconds(daemon.pid) - before
        if row:
            self.samples[row].append(sample)
        return sample

    def upload(self, number):
        with self.daemon(f"upload-{number}") as daemon:
            before = cpu_seconds(daemon.pid)
            begin = time.monotonic()
            Client(self.bin_dir, daemon.address).json("upload", self.model, MODEL)
            self.samples["upload"].append({
                "bytes": self.original_bytes, "seconds": time.monotonic() - begin,
                "cpu_seconds": cpu_seconds(daemon.pid) - before})
        for row, flags in (("encode", ()), ("encode and check", ("--verify",))):
            total = {"bytes": 0, "seconds": 0, "cpu_seconds": 0}
            for file in sorted(self.model.glob("*.safetensors")):
                for key, value in last_json([self.bench, "encode", *flags, str(file)]).items():
                    total[key] += value
            self.samples[row].append(total)

    def run(self, rounds, flight):
        blob = self.work / "blob"
        with open(sorted(self.model.glob("*.safetensors"))[0], "rb") as file:
            blob.write_bytes(file.read(PEER_BYTES))
        peer_rounds = self.rounds_for(blob.stat().st_size)
        with self.daemon("hot", "--block-cache", "4GiB") as hot, \
                self.daemon("cold", "--block-cache", "1MiB") as cold:
            for daemon in (hot, cold):
                Client(self.bin_dir, daemon.address).json("upload", self.model, MODEL)
            self.stored_bytes = {"int8": 1, "original": 1}
            for precision in self.stored_bytes:
                self.least_bytes, wanted = 1, self.least_bytes
                self.stored_bytes[precision] = self.download(None, hot, precision, 1)["bytes"]
                self.least_bytes = wanted
            peer = Flight(flight, blob) if flight else None
            for number in range(rounds):
                self.samples["raw socket"].append(raw_socket(blob, peer_rounds))
                if peer:
                    self.samples["Arrow Flight"].append(peer.read(peer_rounds))
                for precision in ("int8", "original"):
                    for streams in (1, 4, 16):
                        self.download(f"{precision}, {streams} streams", hot, precision, streams)
                    self.download(f"{precision}, 1 stream, not in the cache", cold, precision, 1)
                    self.download(f"{precision}, 16 streams, not in the cache", cold, precision, 16)
                    self.download(f"{precision}, loaded by the client library", hot, precision, 1,
                                  "--decode")
                self.upload(number)
            if peer:
                peer.stop()

    def median(self, row, value):
        return statistics.median(value(sample) for sample in self.samples[row])

    def print_tables(self):
        print("| serving | GB/s | client CPU-s/GB | server CPU-s/GB |\n|---|---|---|---|")
        for row, samples in self.samples.items():
            if "server_cpu_seconds" not in samples[0]:
                continue
            print(f"| {row.replace('1 streams', '1 stream')} "
                  f"| {self.median(row, lambda s: s['bytes'] / s['seconds']) / GIGABYTE:.2f} "
                  f"| {self.median(row, lambda s: s['cpu_seconds'] / s['bytes']) * GIGABYTE:.2f} "
                  f"| {self.median(row, lambda s: s['server_cpu_seconds'] / s['bytes']) * GIGABYTE:.2f} |")
        print("\n| storing | GB/s | CPU-s per GB of original |\n|---|---|---|")
        for row in ("upload", "encode", "encode and check"):
            label = {"upload": "upload: qstored"}.get(row, f"codec alone, one thread: {row}")
            print(f"| {label} "
                  f"| {self.median(row, lambda s: s['bytes'] / s['seconds']) / GIGABYTE:.2f} "
                  f"| {self.median(row, lambda s: s['cpu_seconds'] / s['bytes']) * GIGABYTE:.2f} |")


class Flight:
    def __init__(self, python, blob):
        self.python = python
        self.process = subprocess.Popen([python, HERE / "flight_peer.py", "serve", blob],
                                        stdout=subprocess.PIPE, text=True)
        self.port = self.process.stdout.readline().strip()

    def read(self, rounds):
        before = cpu_seconds(self.process.pid)
        sample = last_json([self.python, HERE / "flight_peer.py", "read", self.port, str(rounds)])
        sample["server_cpu_seconds"] = cpu_seconds(self.process.pid) - before
        return sample

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--flight", help="a Python with pyarrow")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("model", help="directory with .safetensors files")
    arguments = parser.parse_args()
    if not any(pathlib.Path(arguments.model).glob("*.safetensors")):
        parser.error(f"{arguments.model} has no .safetensors file")
    with tempfile.TemporaryDirectory(prefix="qstore-bench.", dir="/var/tmp") as work:
        bench = Bench(arguments, pathlib.Path(work))
        bench.run(arguments.rounds, arguments.flight)
        bench.print_tables()


if __name__ == "__main__":
    main()
