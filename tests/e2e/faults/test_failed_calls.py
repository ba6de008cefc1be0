"""System calls on the disk fail: a sample of what tests/torture/failed_calls.py tries.

A store, the daemon and a downloading client; each failure that is known to have done
harm, and some of every class.
"""

import random
import sys

import harness

sys.path.insert(0, str(harness.ROOT / "tests" / "failingdisk"))

from failed_call_cases import Case, all_cases  # noqa: E402
from failed_call_rounds import Contents, Round  # noqa: E402
from failed_client_rounds import ClientRound, Source  # noqa: E402
from store_runner import StoreRunner  # noqa: E402

SEED = 20261128


def one_of_each(cases):
    """The first case of each class and answer, in the order of `cases`."""
    seen = {}
    for case in cases:
        seen.setdefault((case.name, case.answer), case)
    return list(seen.values())


class FailedCalls(harness.EndToEndTest):

    def test_store(self):
        runner = StoreRunner(harness.BIN_DIR, self.path / "store")
        calls, problems = runner.count()
        self.assertEqual(problems, [])
        # Each class is made, so that none is counted wrong by a mistake of the hooks.
        for name in ("write", "sync", "rename", "link", "unlink", "truncate", "create",
                     "open", "mkdir", "read", "close", "stat", "list", "lock"):
            self.assertGreater(calls[name], 0, name)
        failed_cases = 0
        for case in one_of_each(all_cases(calls, SEED)):
            with self.subTest(case=str(case)):
                failed, first_failure, problems = runner.run(case)
                self.assertEqual(problems, [], first_failure)
                failed_cases += failed > 0
        self.assertGreater(failed_cases, 30)
        runner.close()

    def test_daemon(self):
        contents = Contents(harness.BIN_DIR, self.path)
        first = Round(harness.BIN_DIR, self.path / "round", contents)
        calls = first.count()
        self.assertEqual(first.problems, [])
        generator = random.Random(SEED)
        cases = [Case("sync", "lost EIO", calls["sync"] // 2, "once", "kill"),
                 Case("full", "ENOSPC", calls["write"], "until healed", "term"),
                 Case("read-only", "EROFS", calls["write"], "for ever", "term"),
                 *generator.sample(all_cases(calls, SEED), 3)]
        for case in cases:
            with self.subTest(case=str(case)):
                one = Round(harness.BIN_DIR, self.path / "round", contents)
                one.run(case)
                self.assertEqual(one.problems, [], one.disk.first_failure())

    def test_client(self):
        source = Source(harness.BIN_DIR, self.path / "source")
        self.addCleanup(source.close)
        first = ClientRound(source, self.path / "round", "original", exists=False)
        calls = first.count()
        self.assertEqual(first.problems, [])
        for case in (Case("write", "ENOSPC", calls["write"] - 2, "for ever", "term"),
                     Case("write", "short", 0, "for ever", "term"),
                     Case("rename", "EIO", 0, "for ever", "term"),
                     Case("sync", "lost EIO", 1, "once", "term")):
            for exists in (False, True):
                with self.subTest(case=str(case), exists=exists):
                    one = ClientRound(source, self.path / "round", "original", exists)
                    self.assertTrue(one.run(case))
                    self.assertEqual(one.problems, [], one.disk.first_failure())
                    # A journal that took no line knows of nothing to go on with.
                    if (case.name in ("write", "rename") and case.error
                            and "journal" not in one.disk.first_failure()):
                        self.assertTrue(one.went_on, "began from the beginning")
