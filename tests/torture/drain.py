"""SIGTERM under load, again and again: calls that were accepted succeed, what
was acknowledged is there after the next start."""

import random
import shutil
import signal
import sys
import time

from harness import Client, Daemon, sha256_by_path
import models

UPLOADS = 3
DOWNLOADS = 3
# What clients may say that came too late.
REFUSALS = ("shutting down", "cannot connect", "refused", "unavailable", "UNAVAILABLE")


def run(context):
    rng = random.Random(context.seed)
    sources = [models.write_large_model(context.directory / f"m{i}", 1 + i % 3,
                                        rows=1024 - i) for i in range(UPLOADS)]
    tries = {"calls": 0, "accepted": 0, "rounds": 0}
    problems = {"calls": 0, "stored": 0, "exits": 0}
    deadline = time.monotonic() + context.seconds
    while tries["rounds"] < 3 or time.monotonic() < deadline:
        one_round(context, rng, sources, tries, problems)
        tries["rounds"] += 1
    print(f"drain: {tries['accepted']} of {tries['calls']} calls were accepted in "
          f"{tries['rounds']} rounds", file=sys.stderr)
    return [("calls running at SIGTERM or refused by it", tries["calls"],
             problems["calls"]),
            ("acknowledged uploads there after the restart", tries["stored"],
             problems["stored"]),
            ("SIGTERM under load: exit status 0", tries["rounds"], problems["exits"])]


def one_round(context, rng, sources, tries, problems):
    number = tries["rounds"]
    work = context.directory / "round"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()

    def problem(kind, text):
        problems[kind] += 1
        print(f"drain: seed {context.seed}, round {number}: {text}", file=sys.stderr)

    daemon = Daemon(context.bin_dir, work / "data", work / "qstored.log",
                    flags=["--grace", "120", "--max-uploads", "2"])
    client = Client(context.bin_dir, daemon.address)
    client.json("upload", sources[0], "org/stored")
    uploads = [client.start("upload", source, f"org/u{i}")
               for i, source in enumerate(sources)]
    downloads = [client.start("download", "org/stored", work / f"out{i}")
                 for i in range(DOWNLOADS)]
    time.sleep(rng.random() * 0.5)
    daemon.process.send_signal(signal.SIGTERM)
    acknowledged = []
    for i, process in enumerate(uploads + downloads):
        _, errors = process.communicate(timeout=300)
        tries["calls"] += 1
        if process.returncode == 0:
            tries["accepted"] += 1
            if i < UPLOADS:
                acknowledged.append(i)
        elif not any(text in errors for text in REFUSALS):
            problem("calls", errors.strip())
    if daemon.process.wait(150) != 0:
        problem("exits", f"status {daemon.process.returncode}")
    # The daemon's own word: nothing that it had admitted failed.
    for line in daemon.log_text().splitlines():
        if any(f" {code}: " in line and "waiting" not in line
               for code in ("CANCELLED", "INTERNAL", "DATA_LOSS", "UNKNOWN")):
            problem("calls", line)
    with Daemon(context.bin_dir, work / "data", work / "again.log") as again:
        client = Client(context.bin_dir, again.address)
        for i in acknowledged:
            tries["stored"] = tries.get("stored", 0) + 1
            client.json("download", f"org/u{i}", work / f"again{i}")
            if sha256_by_path(work / f"again{i}") != sha256_by_path(sources[i]):
                problem("stored", f"org/u{i} differs")
    tries.setdefault("stored", 0)
