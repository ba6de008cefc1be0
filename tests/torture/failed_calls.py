"""System calls on the disk fail: every one, with every error, for a while or for ever.

Three parts: a store in a process of its own, the daemon, and the client that
downloads. Each counts the calls of its session, makes a case of every index, error
and duration (tests/failingdisk/failed_call_cases.py), and tries them in an order that
the seed chooses, as many as the time allows. Another seed goes on with others.

    tests/torture/failed_calls.py BIN_DIR SECONDS [SEED]
"""

import concurrent.futures
import dataclasses
import pathlib
import random
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
for folder in ("scripts", "scripts/lib", "tests/e2e", "tests/e2e/support",
               "tests/failingdisk"):
    sys.path.insert(0, str(ROOT / folder))


@dataclasses.dataclass
class Tally:
    """`tried`: cases in which a call failed; `possible`: all there are."""

    tried: int = 0
    found: int = 0
    possible: int = 0

    def note(self, part, case, first_failure, problems, seed):
        self.tried += 1
        if problems:
            self.found += 1
            print(f"failed_calls: seed {seed}, {part}: {case}: {first_failure}\n  "
                  + "\n  ".join(problems), file=sys.stderr, flush=True)


def run_store(context, end):
    from failed_call_cases import all_cases  # needs the paths above
    from store_runner import StoreRunner

    tally = Tally()
    runner = StoreRunner(context.bin_dir, context.directory / "store")
    calls, problems = runner.count()
    if problems:
        raise RuntimeError(f"problems although nothing fails: {problems}")
    cases = all_cases(calls, context.seed)
    tally.possible = len(cases)
    for case in cases:
        if time.monotonic() > end:
            break
        failed, first_failure, problems = runner.run(case)
        if failed or problems:
            tally.note("store", case, first_failure, problems, context.seed)
    runner.close()
    return tally


def run_daemon(context, end):
    from failed_call_cases import all_cases
    from failed_call_rounds import Contents, Round

    tally = Tally()
    directory = context.directory / "daemon"
    directory.mkdir()
    contents = Contents(context.bin_dir, directory)
    first = Round(context.bin_dir, directory / "round", contents)
    calls = first.count()
    if first.problems:
        raise RuntimeError(f"problems although nothing fails: {first.problems}")
    cases = all_cases(calls, context.seed + 1)
    tally.possible = len(cases)
    for case in cases:
        if time.monotonic() > end:
            break
        one = Round(context.bin_dir, directory / "round", contents)
        if one.run(case) or one.problems:
            tally.note("daemon", case, one.disk.first_failure(), one.problems, context.seed)
    return tally


def run_client(context, end):
    from failed_call_cases import all_cases
    from failed_client_rounds import PRECISIONS, ClientRound, Source

    tally = Tally()
    generator = random.Random(context.seed)
    directory = context.directory / "client"
    source = Source(context.bin_dir, directory)
    try:
        first = ClientRound(source, directory / "round", "original", exists=False)
        calls = first.count()
        if first.problems:
            raise RuntimeError(f"problems although nothing fails: {first.problems}")
        cases = [case for case in all_cases(calls, context.seed + 2)
                 if case.duration != "until healed"]
        tally.possible = len(cases)
        for case in cases:
            if time.monotonic() > end:
                break
            one = ClientRound(source, directory / "round", generator.choice(PRECISIONS),
                              generator.random() < 0.3)
            if one.run(case) or one.problems:
                tally.note("client", case, one.disk.first_failure(), one.problems,
                           context.seed)
    finally:
        source.close()
    return tally


def run_daemon_and_client(context, end):
    half = (time.monotonic() + end) / 2
    return run_daemon(context, half), run_client(context, end)


def run(context):
    bin_dir = pathlib.Path(context.bin_dir)
    if not (bin_dir / "libfailingdisk.so").exists():
        print("failed_calls: no libfailingdisk.so in the build (the sanitized ones have "
              "none): use the release build", file=sys.stderr)
        return []
    end = time.monotonic() + context.seconds
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        store = threads.submit(run_store, context, end)
        others = threads.submit(run_daemon_and_client, context, end)
        tallies = {"a store": store.result(),
                   **dict(zip(("the daemon", "a downloading client"), others.result()))}
    return [(f"system calls of {name} fail ({tally.possible:,} cases)", tally.tried,
             tally.found) for name, tally in tallies.items()]


@dataclasses.dataclass
class Context:
    bin_dir: pathlib.Path
    seconds: float
    seed: int
    directory: pathlib.Path


def main():
    with tempfile.TemporaryDirectory(prefix="qstore-failed-calls-") as directory:
        rows = run(Context(pathlib.Path(sys.argv[1]), float(sys.argv[2]),
                           int(sys.argv[3]) if len(sys.argv) > 3 else 1,
                           pathlib.Path(directory)))
    for what, tried, found in rows:
        print(f"{what}: {tried} tried, {found} found")
    return 1 if any(found for _, _, found in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
