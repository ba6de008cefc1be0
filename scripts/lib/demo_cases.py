#!/usr/bin/python3
"""Stores model directories and fetches them back; prints one table.

    demo_cases.py --bin-dir DIR --work-dir DIR CASE=MODEL_DIR...

Each case has a daemon and a data directory of its own, so that nothing is
shared between them. Exits with 1 when a file does not come back identical.
"""

import argparse
import pathlib
import shutil
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from directories import sha256_by_path, total_bytes  # noqa: E402
from qstore_process import Client, Daemon  # noqa: E402

ITEM_BYTES = {"F32": 4, "F16": 2, "BF16": 2}
COLUMNS = ("case", "two copies", "stored", "percent", "linear", "data dir",
           "upload", "int8 down", "original down", "files")


def linear_percent(tensors):
    """Stored percent of (original + 1 byte a weight) over quantized tensors."""
    stored = pair = 0
    for tensor in tensors:
        if tensor["quantized"]:
            weights = 1
            for size in tensor["shape"]:
                weights *= size
            stored += tensor["int8_bytes"] + tensor["residual_bytes"]
            pair += weights * (ITEM_BYTES[tensor["dtype"]] + 1)
    return 100 * stored / pair if pair else None


def rate(size_bytes, seconds):
    return f"{seconds:.2f} s {size_bytes / 1e6 / max(seconds, 1e-9):.0f} MB/s"


def megabytes(size_bytes):
    return f"{size_bytes / 1e6:.2f} MB"


def run_case(name, model_dir, bin_dir, work_dir):
    """Returns the table row and the paths that came back different."""
    work_dir.mkdir()
    data_dir, original_dir, int8_dir = (work_dir / part for part in
                                        ("data", "original", "int8"))
    with Daemon(bin_dir, data_dir, work_dir / "qstored.log") as daemon:
        client = Client(bin_dir, daemon.address)
        reference = "demo/model:latest"
        upload = client.json("upload", model_dir, reference)
        int8 = client.json("download", reference, int8_dir, "--precision", "int8",
                           "--allow-original")
        original = client.json("download", reference, original_dir)
        show = client.json("show", reference)
        if daemon.stop() != 0:
            raise RuntimeError(f"qstored did not stop cleanly: {daemon.log_text()}")
    expected, found = sha256_by_path(model_dir), sha256_by_path(original_dir)
    different = sorted(path for path in expected.keys() | found.keys()
                       if expected.get(path) != found.get(path))
    if int8["received_bytes"]["residual"] != 0:
        raise RuntimeError("the INT8 download received residual bytes")
    original_bytes, int8_bytes = total_bytes(original_dir), total_bytes(int8_dir)
    two_copies = original_bytes + int8_bytes
    stored = sum(show["stored_bytes"].values())
    linear = linear_percent(show["tensors"])
    row = (name, megabytes(two_copies), megabytes(stored),
           f"{100 * stored / two_copies:.2f} %",
           "-" if linear is None else f"{linear:.2f} %",
           megabytes(total_bytes(data_dir)),
           rate(original_bytes, upload["seconds"]), rate(int8_bytes, int8["seconds"]),
           rate(original_bytes, original["seconds"]),
           f"{len(different)} DIFFER" if different else f"{len(expected)} identical")
    shutil.rmtree(work_dir)
    return row, different


def print_table(rows):
    widths = [max(len(row[column]) for row in (COLUMNS, *rows))
              for column in range(len(COLUMNS))]
    for row in (COLUMNS, *rows):
        first, rest = row[0].ljust(widths[0]), row[1:]
        print("  ".join([first, *(cell.rjust(width)
                                  for cell, width in zip(rest, widths[1:]))]))
    print()
    print("two copies: the uploaded directory and the INT8 directory; stored: what "
          "`show` counts, keys included;\nlinear: stored bytes of the quantized tensors "
          "in percent of original + 1 byte a weight;\ndata dir: everything RocksDB keeps "
          "on disk; times are the client's, checksums and fsync included.")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin-dir", type=pathlib.Path, required=True)
    parser.add_argument("--work-dir", type=pathlib.Path, required=True)
    parser.add_argument("cases", nargs="+", metavar="CASE=MODEL_DIR")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    rows, failed = [], False
    for number, case in enumerate(arguments.cases):
        name, _, model_dir = case.partition("=")
        row, different = run_case(name, pathlib.Path(model_dir), arguments.bin_dir,
                                  arguments.work_dir / f"case-{number}")
        rows.append(row)
        for path in different:
            failed = True
            print(f"error: {name}: {path} is not what was uploaded", file=sys.stderr)
    print_table(rows)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RuntimeError, OSError) as error:
        sys.exit(f"error: {error}")
