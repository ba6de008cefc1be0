"""What every end-to-end test stands on: a daemon, a client, a directory.

The binaries are those of QSTORE_TEST_BIN_DIR (default: build/release/bin).
"""

import collections
import functools
import os
import pathlib
import re
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "scripts"))
sys.path.insert(0, str(ROOT / "scripts" / "lib"))

from directories import sha256_by_path, total_bytes  # noqa: E402
from qstore_process import Client, Daemon  # noqa: E402

BIN_DIR = pathlib.Path(os.environ.get("QSTORE_TEST_BIN_DIR",
                                      ROOT / "build" / "release" / "bin"))


@functools.cache
def is_sanitized():
    return b"__asan_init" in (BIN_DIR / "qstored").read_bytes()


def tensors_to_cut():
    """Tensors of 16 MiB, enough that a transfer lasts until a test cuts it off."""
    return 8 if is_sanitized() else 16


class EndToEndTest(unittest.TestCase):
    """Gives each test an empty directory, `self.path`, and helpers."""

    maxDiff = 2000

    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="qstore-e2e-")
        self.addCleanup(holder.cleanup)
        self.path = pathlib.Path(holder.name)
        self.data_dir = self.path / "data"

    def start_daemon(self, *flags, data_dir=None, **options):
        """A daemon that is stopped when the test ends."""
        daemon = Daemon(BIN_DIR, data_dir or self.data_dir, self.path / "qstored.log",
                        flags=flags, **options)
        self.addCleanup(daemon.__exit__)
        return daemon

    def client_of(self, daemon):
        return Client(BIN_DIR, daemon.address)

    def start(self, *flags):
        """A daemon and its client."""
        daemon = self.start_daemon(*flags)
        return daemon, self.client_of(daemon)

    def assert_same_files(self, expected_dir, found_dir):
        self.assertEqual(sha256_by_path(expected_dir), sha256_by_path(found_dir))

    def assert_round_trip(self, client, model_dir, reference="org/model"):
        """Uploads, downloads the original, compares; returns the upload's JSON."""
        upload = client.json("upload", model_dir, reference)
        target = self.path / f"original-{upload['revision'][:12]}"
        client.json("download", reference, target)
        self.assert_same_files(model_dir, target)
        return upload

    def assert_fails(self, done, *fragments):
        """One sentence on stderr that holds the fragments; nothing on stdout."""
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertGreater(done.returncode, 0, "the client died by a signal: "
                           + done.stderr)
        message = done.stderr.strip()
        self.assertNotIn("\n", message, "more than one line")
        for fragment in fragments:
            self.assertIn(fragment.lower(), message.lower())
        return message

    def assert_nothing_stored(self, client):
        self.assertEqual(client.json("list")["models"], [])

    def wait_until(self, condition, timeout_seconds=60, what="the condition"):
        deadline = time.monotonic() + timeout_seconds
        while not condition():
            if time.monotonic() > deadline:
                self.fail(f"{what} did not come about in {timeout_seconds} s")
            time.sleep(0.05)


def data_bytes(daemon):
    """What the store keeps on disk, RocksDB's own logs aside."""
    logs = sum(path.stat().st_size for path in daemon.data_dir.rglob("LOG*"))
    return total_bytes(daemon.data_dir) - logs


# What the tables of an empty store may take: the deletion marks of records, and
# the records they mark until RocksDB has merged both. No data at all.
EMPTY_STORE_RECORD_BYTES = 128_000
# RocksDB ends each table with its properties, the family's name among them.
FAMILY_NAME = re.compile(rb"name(manifest|int8|residual|plain)")
PROPERTIES_BYTES = 4096


def table_bytes_by_family(data_dir):
    """The sizes of all tables of a store; "unfinished" has those without a name."""
    sizes = collections.Counter()
    for path in pathlib.Path(data_dir).rglob("*.sst"):
        try:
            contents = path.read_bytes()
        except FileNotFoundError:  # merged into another meanwhile
            continue
        name = FAMILY_NAME.search(contents[-PROPERTIES_BYTES:])
        sizes[name[1].decode() if name else "unfinished"] += len(contents)
    return sizes


def left_of_nothing(data_dir):
    """What should not be there in a store without models; empty when all is well."""
    sizes = table_bytes_by_family(data_dir)
    if sizes["manifest"] <= EMPTY_STORE_RECORD_BYTES:
        del sizes["manifest"]
    return ", ".join(f"{size} bytes of {family} tables" for family, size in sorted(sizes.items()))
