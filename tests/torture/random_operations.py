"""Random operations on a store against a model of it, with faults of its engine.

Runs tests/storage/random_operations_test.cc over both engines, one seed after
the other.
"""

import concurrent.futures
import os
import re
import subprocess
import sys
import time

SECONDS_PER_SEED = 30
ENGINES = {"memory": "*/0.*", "RocksDB": "*/1.*"}


def run_engine(context, engine, end):
    """(operations, faults, failed seeds)"""
    operations = faults = failures = 0
    seed = context.seed
    while (left := end - time.monotonic()) > 1:
        settings = {"QSTORE_RANDOM_SEED": str(seed),
                    "QSTORE_RANDOM_SECONDS": str(int(min(left, SECONDS_PER_SEED)))}
        command = [str(context.bin_dir / "random_operations_test"),
                   f"--gtest_filter={ENGINES[engine]}"]
        done = subprocess.run(command, env={**os.environ, **settings}, text=True,
                              capture_output=True, check=False)
        said = re.search(r"(\d+) operations, (\d+) faults", done.stdout)
        if said:
            operations += int(said.group(1))
            faults += int(said.group(2))
        if done.returncode != 0 or not said:
            failures += 1
            setting = " ".join(f"{name}={value}" for name, value in settings.items())
            print(f"{done.stdout[-4000:]}\n{done.stderr[-2000:]}\nrepeat with: {setting} "
                  f"{' '.join(command)}", file=sys.stderr, flush=True)
        seed += 1
    return operations, faults, failures


def run(context):
    end = time.monotonic() + context.seconds
    with concurrent.futures.ThreadPoolExecutor(len(ENGINES)) as threads:
        results = {engine: threads.submit(run_engine, context, engine, end)
                   for engine in ENGINES}
        rows = []
        for engine, result in results.items():
            operations, faults, failures = result.result()
            rows.append((f"random operations against a model, {engine} "
                         f"({faults:,} faults)", operations, failures))
        return rows
