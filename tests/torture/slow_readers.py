"""Hundreds of readers at 1 KB/s beside fast ones: memory stays within
--memory-limit, and the fast ones take no more than a tenth longer."""

import concurrent.futures
import os
import statistics
import subprocess
import sys
import time

from harness import Client, Daemon
import models
import raw_calls
from slow_relay import SlowRelay

SLOW_READERS = 200
FAST_READERS = 8
BYTES_PER_SECOND = 1000
LIMIT_MEBIBYTES = 768
MAX_SLOWDOWN = 1.10
MIN_ROUNDS = 5


def run(context):
    # select() in the relay cannot take more descriptors than 1024: two each.
    model = models.write_large_model(context.directory / "model", 6)
    with Daemon(context.bin_dir, context.directory / "data",
                context.directory / "qstored.log",
                flags=["--memory-limit", f"{LIMIT_MEBIBYTES}MiB", "--max-downloads", "256",
                       "--stall-timeout", "0",
                       "--log-level", "error"]) as daemon:
        Client(context.bin_dir, daemon.address).json("upload", model, "org/m")
        return measure(daemon, context.seconds)


def measure(daemon, seconds):
    fast = [raw_calls.new_channel(daemon.address) for _ in range(FAST_READERS)]
    before = time_rounds(fast, seconds / 4)
    # In a process of their own: Python runs one thread at a time.
    slow = subprocess.Popen(
        [sys.executable, __file__, daemon.address], text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    if slow.stdout.readline() != "begun\n":
        raise RuntimeError(f"the slow readers did not begin: status {slow.wait()}")
    during = time_rounds(fast, seconds / 2)
    dropped = int(slow.communicate("stop\n")[0])
    after = time_rounds(fast, seconds / 4)
    for channel in fast:
        channel.close()
    return judge(daemon, before, during, after, dropped)


def read_slowly(address):
    """Begins the slow downloads, says so, and at the end how many were dropped."""
    relay = SlowRelay(address, BYTES_PER_SECOND)
    channels = [raw_calls.new_channel(relay.address) for _ in range(SLOW_READERS)]
    calls = [raw_calls.download(channel, "org/m") for channel in channels]
    for call in calls:
        next(call)  # the list of files has come
    print("begun", flush=True)
    sys.stdin.readline()
    print(sum(not call.is_active() for call in calls), flush=True)
    os._exit(0)  # without 200 clean ends at 1 KB/s


def judge(daemon, before, during, after, dropped):
    alone = max(statistics.median(before), statistics.median(after))
    beside = statistics.median(during)
    peak = daemon.peak_resident_bytes() / (1 << 20)
    print(f"slow_readers: {FAST_READERS} fast readers take {alone:.3f} s alone "
          f"(before {statistics.median(before):.3f}, after "
          f"{statistics.median(after):.3f}), {beside:.3f} s beside {SLOW_READERS} slow "
          f"ones; peak {peak:.0f} of {LIMIT_MEBIBYTES} MiB; {dropped} slow ones dropped",
          file=sys.stderr)
    return [
        ("slow readers dropped", SLOW_READERS, dropped),
        (f"memory within {LIMIT_MEBIBYTES} MiB beside slow readers", 1,
         int(peak > LIMIT_MEBIBYTES)),
        ("fast downloads within 10 % beside slow ones", FAST_READERS * len(during),
         int(beside > MAX_SLOWDOWN * alone)),
    ]


def time_rounds(channels, seconds):
    """Seconds of each round in which every channel downloads the model once."""
    times = []
    deadline = time.monotonic() + seconds
    with concurrent.futures.ThreadPoolExecutor(len(channels)) as pool:
        while len(times) < MIN_ROUNDS or time.monotonic() < deadline:
            begin = time.monotonic()
            list(pool.map(read_all, channels))
            times.append(time.monotonic() - begin)
    return times


def read_all(channel):
    return sum(len(message) for message in raw_calls.download(channel, "org/m"))


if __name__ == "__main__":
    read_slowly(sys.argv[1])
