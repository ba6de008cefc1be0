#!/usr/bin/python3
"""Runs end-to-end test files and, where asked, records how they went.

    run.py [FILE_STEM...]        e.g. run.py test_crash; default: all of them

QSTORE_TEST_BIN_DIR names the binaries' directory. With QSTORE_TEST_COUNTS, a
JSON document with the numbers of passed and failed tests goes to
$QSTORE_TEST_COUNTS/<stem>.json.
"""

import json
import os
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "faults"), str(HERE / "support")]


def run(stem):
    """Runs one file; a failed subtest fails its test. Returns True on success."""
    suite = unittest.defaultTestLoader.loadTestsFromName(stem)
    tests = suite.countTestCases()
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    failed_tests = {getattr(test, "test_case", test).id()
                    for test, _ in (*result.failures, *result.errors)}
    failed = len(failed_tests) + len(result.skipped)
    passed = max(0, tests - failed)
    counts_dir = os.environ.get("QSTORE_TEST_COUNTS")
    if counts_dir:
        (pathlib.Path(counts_dir) / f"{stem}.json").write_text(
            json.dumps({"passed": passed, "failed": failed}))
    return failed == 0 and passed > 0


def main():
    stems = sys.argv[1:] or sorted(path.stem for path in HERE.glob("**/test_*.py"))
    return 0 if all([run(stem) for stem in stems]) else 1


if __name__ == "__main__":
    sys.exit(main())
