"""Runs cases by store_under_failures: a store in one process after the other."""

import subprocess

from failed_call_cases import Case
from failing_disk import CLASSES, EFFECTS


class StoreRunner:
    """`directory` is made. Close it."""

    def __init__(self, bin_dir, directory):
        directory.mkdir(parents=True)
        self._process = subprocess.Popen(
            [str(bin_dir / "store_under_failures"), str(directory)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._number = 0

    def close(self):
        self._process.stdin.close()
        if self._process.wait(300) != 0:
            raise RuntimeError(f"store_under_failures ended with {self._process.returncode}")
        self._process.stdout.close()

    def _ask(self, text):
        self._number += 1
        self._process.stdin.write(f"{self._number} {text}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("store_under_failures ended with "
                               f"{self._process.wait()}")
        numbers, first_failure, problems = answer.rstrip("\n").split("\t")
        return ([int(number) for number in numbers.split()[1:]], first_failure,
                problems.split(" | ") if problems else [])

    def count(self):
        """Calls by class when nothing fails, and problems."""
        numbers, _, problems = self._ask("0 0 0 0 0 0 0 term")
        return dict(zip(CLASSES, numbers[1:])), problems

    def run(self, case: Case):
        """How many calls failed, the first of them, and problems."""
        mask = sum(1 << CLASSES.index(name) for name in case.classes)
        reads_fail = 0 if not case.reads_fail else 2 if case.duration == "for ever" else 1
        (failed,), first_failure, problems = self._ask(
            f"{mask} {case.skip} {case.count} {case.error} {EFFECTS[case.effect]} "
            f"{int(case.duration == 'until healed')} {reads_fail} {case.stop}")
        return failed, first_failure, problems
