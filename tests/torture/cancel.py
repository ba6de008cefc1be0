"""Calls cancelled, expired and abandoned at random moments: what they held is
free again within a second, and nothing piles up."""

import os
import pathlib
import random
import sys
import time

import grpc

from harness import Client, Daemon, total_bytes
import models
import raw_calls

LIMIT_MEBIBYTES = 512
FREED_WITHIN_SECONDS = 1.0
CALLS_PER_ROUND = 10
# Descriptors of connections that close a moment later, and RocksDB's tables.
SPARE_DESCRIPTORS = 40


def run(context):
    rng = random.Random(context.seed)
    large = models.write_large_model(context.directory / "large", 3)
    small = models.write_model(context.directory / "small")
    with Daemon(context.bin_dir, context.directory / "data",
                context.directory / "qstored.log",
                flags=["--memory-limit", f"{LIMIT_MEBIBYTES}MiB", "--max-uploads", "2",
                       "--max-downloads", "4", "--max-verifies", "1", "--max-queued",
                       "4", "--log-level", "error"]) as daemon:
        client = Client(context.bin_dir, daemon.address)
        client.json("upload", large, "org/large")
        client.json("upload", small, "org/small")
        return Torture(daemon, client, rng, large).run(context.seconds)


class Torture:

    def __init__(self, daemon, client, rng, large):
        self.daemon, self.client, self.rng = daemon, client, rng
        self.file = (large / "model.safetensors").read_bytes()
        self.cancelled = self.probes = self.late = 0

    def run(self, seconds):
        self.usual_seconds = self.probe()
        base_bytes = total_bytes(self.daemon.data_dir)
        base_descriptors = self.descriptors()
        deadline = time.monotonic() + seconds
        rounds = 0
        while rounds < 3 or time.monotonic() < deadline:
            self.round(rounds)
            rounds += 1
        time.sleep(2)
        problems = {
            "descriptors": self.descriptors() > base_descriptors + SPARE_DESCRIPTORS,
            "memory": self.daemon.peak_resident_bytes() > LIMIT_MEBIBYTES << 20,
            "data": total_bytes(self.daemon.data_dir) > 2_000_000 + base_bytes,
            "models": [entry["name"] for entry in self.client.json("list")["models"]]
                      != ["org/large", "org/small"],
            "verify": not self.client.json("verify", "org/large")["ok"],
        }
        for what in (name for name, bad in problems.items() if bad):
            print(f"cancel: {what} not as before after {rounds} rounds", file=sys.stderr)
        print(f"cancel: {self.cancelled} calls cancelled, slowest probe "
              f"{self.slowest:.2f} s, usually {self.usual_seconds:.2f} s; peak "
              f"{self.daemon.peak_resident_bytes() >> 20} MiB", file=sys.stderr)
        return [("calls cancelled, expired or killed", self.cancelled, self.late),
                ("resources as before all of them", len(problems),
                 sum(map(bool, problems.values())))]

    slowest = 0.0

    def round(self, number):
        channels = [raw_calls.new_channel(self.daemon.address)
                    for _ in range(CALLS_PER_ROUND)]
        calls = [self.begin(channel) for channel in channels]
        time.sleep(self.rng.random() * 0.4)
        for call, channel in zip(calls, channels):
            if self.rng.random() < 0.5:
                call.cancel()
            channel.close()  # which cancels too
        self.cancelled += len(calls)
        seconds = self.probe()
        self.slowest = max(self.slowest, seconds)
        if seconds > FREED_WITHIN_SECONDS + 2 * self.usual_seconds:
            self.late += 1
            print(f"cancel: round {number}: a new call of each kind took "
                  f"{seconds:.2f} s after all others had been cancelled",
                  file=sys.stderr)

    def begin(self, channel):
        """A call of a random kind, with a deadline now and then."""
        timeout = self.rng.choice([None, None, 0.05, 0.3])
        kind = self.rng.randrange(5)
        if kind == 0:
            return raw_calls.verify(channel, "org/large", timeout)
        if kind <= 2:
            call = raw_calls.download(channel, "org/large", timeout=timeout)
            for _ in range(self.rng.randrange(3)):
                try:
                    next(call)
                except grpc.RpcError:
                    break
            return call
        return raw_calls.upload(channel, self.upload_messages(), timeout)

    def upload_messages(self):
        size = self.rng.randrange(1, len(self.file))
        yield raw_calls.begin_message("org/cancelled")
        yield raw_calls.file_message("model.safetensors", len(self.file))
        for offset in range(0, size, 1 << 20):
            yield raw_calls.bytes_message(self.file[offset:offset + (1 << 20)])
        while True:  # the rest never comes
            time.sleep(0.05)
            if size % 2:
                return

    def probe(self):
        """Seconds that an upload, a download and a verification take together."""
        self.probes += 1
        begin = time.monotonic()
        channel = raw_calls.new_channel(self.daemon.address)
        content = os.urandom(16)
        raw_calls.upload(channel, iter([
            raw_calls.begin_message("org/probe"), raw_calls.file_message("f", 16),
            raw_calls.bytes_message(content), raw_calls.end_message(1, 16)])).result(60)
        sum(1 for _ in raw_calls.download(channel, "org/probe"))
        sum(1 for _ in raw_calls.verify(channel, "org/probe"))
        seconds = time.monotonic() - begin
        channel.close()
        self.client.json("delete", "org/probe")
        return seconds

    def descriptors(self):
        return len(list(pathlib.Path(f"/proc/{self.daemon.pid}/fd").iterdir()))
