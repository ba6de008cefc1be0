#!/usr/bin/python3
"""Counts single test cases of a ctest run.

    count_tests.py JUNIT_XML COUNTS_DIR

JUNIT_XML is what `ctest --output-junit` wrote; COUNTS_DIR holds the XML files of
GoogleTest and the JSON files of tests/e2e/run.py. An entry without such a file
counts as one test, and an entry that failed without naming a failed case (a
crash, a leak found at exit, a time-out) counts as one failure more. Prints
"PASSED FAILED".
"""

import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def cases_of(name, counts_dir):
    """(passed, failed) as the test program itself reported them, or None."""
    python = counts_dir / f"{name.removeprefix('e2e_')}.json"
    google = counts_dir / f"{name}.xml"
    try:
        if python.exists():
            counts = json.loads(python.read_text())
            return counts["passed"], counts["failed"]
        if google.exists():
            root = ElementTree.parse(google).getroot()
            failed = int(root.get("failures", 0)) + int(root.get("errors", 0))
            not_run = sum(case.get("status") == "notrun" or
                          case.get("result") == "skipped"
                          for case in root.iter("testcase"))
            failed += not_run
            return int(root.get("tests", 0)) - failed, failed
    except (ElementTree.ParseError, ValueError):
        return None
    return None


def main():
    junit, counts_dir = sys.argv[1], pathlib.Path(sys.argv[2])
    passed = failed = 0
    for entry in ElementTree.parse(junit).getroot().iter("testcase"):
        succeeded = entry.get("status") == "run" and entry.find("failure") is None
        counts = cases_of(entry.get("name"), counts_dir)
        if counts is None:
            counts = (1, 0) if succeeded else (0, 1)
        elif not succeeded and counts[1] == 0:
            counts = (counts[0], 1)
        passed += counts[0]
        failed += counts[1]
    print(passed, failed)


if __name__ == "__main__":
    main()
