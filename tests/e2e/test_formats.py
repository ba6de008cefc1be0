"""A data directory of every format that there was opens, or it is said why not and what to do."""

import hashlib
import json
import pathlib
import shutil
import subprocess
import tarfile

import harness

STORES = pathlib.Path(__file__).resolve().parent / "stores"
CURRENT = 2
# That this build reads; of the others it says how to carry them over.
READ = (2,)


class Formats(harness.EndToEndTest):

    def extract(self, version):
        """Unpacks a store to self.data_dir; returns hashes of its models' files."""
        shutil.rmtree(self.data_dir, ignore_errors=True)
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

    def table_digests(self):
        """Of its tables, which hold all values."""
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                for path in self.data_dir.glob("*.sst")}

    def assert_refused(self, number, advice):
        with self.assertRaisesRegex(
                RuntimeError, f"the store has format version {number}; this build reads "
                f"{CURRENT}: {advice}"):
            self.start_daemon()

    def test_there_is_a_store_of_every_format(self):
        self.assertEqual(sorted(path.name for path in STORES.iterdir()),
                         [f"format-{number}.tar.gz" for number in range(1, CURRENT + 1)])

    def test_every_format_that_is_read_opens(self):
        for version in READ:
            with self.subTest(version=version):
                expected = self.extract(version)
                self.assert_serves(expected, f"first-{version}")
                # Once more, as this build left it.
                self.assert_serves(expected, f"second-{version}")

    def test_older_formats_are_refused_with_the_way_out(self):
        for version in range(1, CURRENT + 1):
            if version in READ:
                continue
            with self.subTest(version=version):
                self.extract(version)
                before = self.table_digests()
                self.assertTrue(before)
                # RocksDB may add one when it reads its log.
                # More than once: the first refusal leaves it as it was.
                for _ in range(2):
                    self.assert_refused(
                        version, "to carry it over, serve it with the build that wrote it, "
                        "download each revision, and upload it to this build with an empty "
                        "data directory")
                    after = self.table_digests()
                    self.assertEqual({name: after.get(name) for name in before}, before)

    def test_later_formats_are_refused_with_the_reason(self):
        expected = self.extract(CURRENT)
        for number, advice in ((CURRENT + 1, "use the build that wrote it"),
                               (0, "to carry it over, serve it with the build that wrote it")):
            with self.subTest(version=number):
                self.set_version(number)
                self.assert_refused(number, advice)
                # Nothing was changed by the attempt.
                self.set_version(CURRENT)
                self.assert_serves(expected, f"after-{number}")
