"""Power cuts at random moments of uploads, deletions, collections and backups.

Each cut loses what was not synced (tests/powercut). Acknowledged revisions and
backups must be there and whole, deleted ones gone, others whole or absent, and
the daemon must start by itself.
"""

import pathlib
import shutil
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
for part in ("tests/e2e/support", "tests/powercut", "scripts/lib"):
    sys.path.insert(0, str(ROOT / part))

# A fresh directory, so that first starts are cut as well.
CUTS_PER_DIRECTORY = 12


def run(context):
    from power_cut_rounds import Rounds  # needs the paths above

    bin_dir = pathlib.Path(context.bin_dir)
    if not (bin_dir / "libpowercut.so").exists():
        print("power_cut: no libpowercut.so in the build (the sanitized ones have "
              "none): use the release build", file=sys.stderr)
        return []
    deadline = time.monotonic() + context.seconds
    cuts = calls = problems = number = 0
    while time.monotonic() < deadline:
        seed = context.seed + number
        directory = pathlib.Path(context.directory) / f"power-cut-{seed}"
        directory.mkdir(parents=True)
        rounds = Rounds(bin_dir, directory, seed)
        going = True
        while (going and time.monotonic() < deadline and not rounds.problems
               and rounds.cuts < CUTS_PER_DIRECTORY):
            going = rounds.run_round()
        if going and not rounds.problems:
            rounds.finish()
        for problem in rounds.problems:
            print(f"power_cut: seed {seed}, {problem}\n  to repeat: seed {seed}; "
                  f"state and log are in {directory}", file=sys.stderr)
        cuts, calls = cuts + rounds.cuts, calls + rounds.calls
        problems += len(rounds.problems)
        if not rounds.problems:
            shutil.rmtree(directory)
        number += 1
    return [("power cut: lost unsynced writes, then restart", cuts, problems),
            ("calls that a power cut could fall into", calls, 0)]
