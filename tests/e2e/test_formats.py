"""A data directory of every format that there was opens, or it is said why not."""

import json
import pathlib
import subprocess
import tarfile

import harness

STORES = pathlib.Path(__file__).resolve().parent / "stores"
CURRENT = 1


class Formats(harness.EndToEndTest):

    def extract(self, version):
        """Unpacks a store to self.data_dir; returns hashes of its models' files."""
        with tarfile.open(STORES / f"format-{version}.tar.gz") as archive:
            archive.extractall(self.path)
        return json.loads((self.path / "expected.json").read_text())

    def set_version(self, number):
        subprocess.run([harness.BIN_DIR / "set_format_version", self.data_dir, str(number)],
                       check=True)

    def assert_serves(self, expected, round_name):
        daemon, client = self.start()
        names = {entry["name"] for entry in client.json("list")["models"]}
        self.assertEqual(names, set(expected))
        for number, (name, digests) in enumerate(expected.items()):
            client.json("verify", name)
            target = self.path / f"{round_name}-{number}"
            client.json("download", name, target)
            self.assertEqual({str(path): digest for path, digest
                              in harness.sha256_by_path(target).items()}, digests)
            client.json("download", name, self.path / f"{round_name}-{number}-int8",
                        "--precision", "int8")
        daemon.stop()

    def test_every_format_opens(self):
        found = sorted(path.name for path in STORES.iterdir())
        self.assertEqual(found, [f"format-{number}.tar.gz"
                                 for number in range(1, CURRENT + 1)])
        for version in range(1, CURRENT + 1):
            with self.subTest(version=version):
                expected = self.extract(version)
                self.assert_serves(expected, "first")
                # Once more, as this build left it.
                self.assert_serves(expected, "second")

    def test_other_formats_are_refused_with_the_reason(self):
        expected = self.extract(CURRENT)
        for number in (CURRENT + 1, 0):
            with self.subTest(version=number):
                self.set_version(number)
                with self.assertRaisesRegex(
                        RuntimeError, f"format version {number}; this build reads "
                        f"{CURRENT}: use the build that wrote it"):
                    self.start_daemon()
                # Nothing was changed by the attempt.
                self.set_version(CURRENT)
                self.assert_serves(expected, f"after-{number}")
