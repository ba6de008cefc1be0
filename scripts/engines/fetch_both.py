#!/usr/bin/env python3
"""Stores a model directory in a qstored of its own and fetches both precisions.

    fetch_both.py --bin-dir DIR MODEL_DIR ORIGINAL_DIR INT8_DIR
"""

import argparse
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from qstore_process import Client, Daemon  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("model_dir")
    parser.add_argument("original_dir")
    parser.add_argument("int8_dir")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        with Daemon(arguments.bin_dir, f"{work}/data", f"{work}/log") as daemon:
            client = Client(arguments.bin_dir, daemon.address)
            client.json("upload", arguments.model_dir, "engines/model")
            client.json("download", "engines/model", arguments.original_dir)
            client.json("download", "engines/model", arguments.int8_dir,
                        "--precision", "int8")


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        sys.exit(f"error: {error}")
