"""Runs the long forms of tests/torture one after the other.

Each file there has `run(context) -> list[Row]`; the context has `seed`,
`seconds` (its share of the time), `bin_dir` and `directory` (for scratch), and
a Row is (what, tried, found_problems). What a file finds it describes on
stderr, with how to repeat it. A file that raises, or that tried nothing, counts
as a find.
"""

import argparse
import dataclasses
import importlib
import pathlib
import random
import shutil
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / part) for part in ("torture", "e2e", "e2e/support")]
sys.path.insert(0, str(ROOT / "scripts" / "lib"))


@dataclasses.dataclass
class Context:
    seed: int
    seconds: float
    bin_dir: pathlib.Path
    directory: pathlib.Path


def parse_arguments(names):
    parser = argparse.ArgumentParser(prog="scripts/torture.sh")
    parser.add_argument("--bin-dir", type=pathlib.Path, required=True,
                        help=argparse.SUPPRESS)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    parser.add_argument("--only", action="append", choices=names,
                        help="run this file of tests/torture alone; may be repeated")
    return parser.parse_args()


def run_one(name, context):
    """The rows of one file; what it raises is a find."""
    try:
        rows = importlib.import_module(name).run(context)
    except Exception:  # pylint: disable=broad-except
        traceback.print_exc()
        return [(f"{name} (did not get through)", 0, 1)]
    if not any(tried for _, tried, _ in rows):
        return [*rows, (f"{name} (tried nothing)", 0, 1)]
    return rows


def main():
    names = sorted(path.stem for path in (ROOT / "tests" / "torture").glob("*.py"))
    arguments = parse_arguments(names)
    chosen = [name for name in names if not arguments.only or name in arguments.only]
    begin = time.monotonic()
    end = begin + 60 * arguments.minutes
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="qstore-torture-"))
    print(f"== seed {arguments.seed}, {arguments.minutes:g} minutes, scratch in {scratch}",
          flush=True)
    table = []
    for number, name in enumerate(chosen):
        share = max(1.0, (end - time.monotonic()) / (len(chosen) - number))
        directory = scratch / name
        directory.mkdir()
        print(f"== {name}: {share:.0f} s", flush=True)
        started = time.monotonic()
        rows = run_one(name, Context(arguments.seed, share, arguments.bin_dir.resolve(),
                                     directory))
        print(f"   {name} took {time.monotonic() - started:.0f} s", flush=True)
        table += rows
        if not any(found for _, _, found in rows):
            shutil.rmtree(directory, ignore_errors=True)
    print_table(table)
    found = sum(row[2] for row in table)
    only = "".join(f" --only {name}" for name in arguments.only or [])
    print(f"\nseed {arguments.seed}, {time.monotonic() - begin:.0f} s; repeat with: "
          f"scripts/torture.sh --minutes {arguments.minutes:g} "
          f"--seed {arguments.seed}{only}")
    if found:
        print(f"{found} problems; what they left is in {scratch}")
    else:
        shutil.rmtree(scratch, ignore_errors=True)
    return 1 if found or not table else 0


def print_table(rows):
    width = max(len(what) for what, _, _ in [("what", 0, 0), *rows])
    print(f"\n| {'what':{width}} | {'tried':>13} | found |")
    print(f"|{'-' * (width + 2)}|{'-' * 14}:|------:|")
    for what, tried, found in rows:
        print(f"| {what:{width}} | {tried:>13,} | {found:>5} |")


if __name__ == "__main__":
    sys.exit(main())
