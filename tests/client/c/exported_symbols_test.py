"""libqstore.so shows the functions that qstore.h declares, and nothing else.

    exported_symbols_test.py LIBQSTORE.SO
"""

import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
HEADER = ROOT / "client" / "c" / "qstore.h"
LIBRARY = None


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class ExportedSymbols(unittest.TestCase):
    def test_shows_what_the_header_declares(self):
        text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(encoding="utf-8"), flags=re.DOTALL)
        declared = set(re.findall(r"QSTORE_API[\w\s*]*?\b(qstore_\w+)\(", text))
        self.assertGreater(len(declared), 30)
        shown = set()
        for line in run("nm", "--dynamic", "--defined-only", LIBRARY).splitlines():
            kind, name = line.split()[-2:]
            if kind != "A":  # the version itself
                self.assertTrue(name.endswith("@@QSTORE_0"), name)
                shown.add(name.removesuffix("@@QSTORE_0"))
        self.assertEqual(shown, declared)

    def test_the_soname_is_the_version(self):
        version = re.search(r"#define QSTORE_ABI_VERSION (\d+)", HEADER.read_text()).group(1)
        self.assertIn(f"[libqstore.so.{version}]", run("readelf", "--dynamic", LIBRARY))

    def test_needs_nothing_of_a_server(self):
        needed = run("readelf", "--dynamic", LIBRARY)
        self.assertNotIn("rocksdb", needed)
        self.assertNotIn("spdlog", needed)


if __name__ == "__main__":
    LIBRARY = sys.argv.pop()
    unittest.main()
