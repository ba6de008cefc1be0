#!/usr/bin/python3
"""Stores a large made-up model and prints peak resident memory at each step."""

import argparse
import pathlib
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE))
from directories import sha256_by_path, total_bytes  # noqa: E402
from generate_model import generate  # noqa: E402
from qstore_process import Client, Daemon  # noqa: E402

BOUND_BYTES = 1 << 30
HIDDEN = 4096
LAYER_BYTES = 12 * HIDDEN * HIDDEN * 2
SHARD_BYTES = 2_000_000_000


def run(client, *arguments):
    """Returns seconds and peak resident bytes of one client command."""
    begin = time.monotonic()
    peak = client.peak_resident_bytes_of(*arguments)
    return time.monotonic() - begin, peak


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--gigabytes", type=int, default=4)
    arguments = parser.parse_args()
    worst = 0
    with tempfile.TemporaryDirectory(prefix="qstore-memory-") as work:
        path = pathlib.Path(work)
        layers = max(1, round(arguments.gigabytes * 1e9 / LAYER_BYTES))
        print(f"making a BF16 model of {layers} layers of width {HIDDEN}", flush=True)
        generate(path / "m", "BF16", layers, HIDDEN, 8192, SHARD_BYTES)
        size = total_bytes(path / "m")
        print(f"model: {size / 1e9:.2f} GB", flush=True)
        with Daemon(arguments.bin_dir, path / "data", path / "log") as daemon:
            client = Client(arguments.bin_dir, daemon.address)
            for name, command in (
                    ("upload", ("upload", path / "m", "big/model")),
                    ("download int8", ("download", "big/model", path / "int8",
                                       "--precision", "int8")),
                    ("download original", ("download", "big/model", path / "out"))):
                seconds, peak = run(client, *command)
                worst = max(worst, peak, daemon.peak_resident_bytes())
                print(f"{name:18} {seconds:7.1f} s {size / 1e6 / seconds:7.0f} MB/s   "
                      f"client {peak / 2**20:6.0f} MiB   daemon "
                      f"{daemon.peak_resident_bytes() / 2**20:6.0f} MiB", flush=True)
        if sha256_by_path(path / "m") != sha256_by_path(path / "out"):
            raise RuntimeError("the original came back different")
    print(f"highest {worst / 2**20:.0f} MiB, bound {BOUND_BYTES / 2**20:.0f} MiB")
    return 0 if worst < BOUND_BYTES else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RuntimeError as error:
        sys.exit(f"error: {error}")
