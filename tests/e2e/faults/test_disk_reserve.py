"""Uploads stop at the disk's reserve, and deleting always makes room again."""

import pathlib

import harness
import models
from test_disk_full import small_disk_prefix

RESERVE_MEBIBYTES = 16


class DiskReserve(harness.EndToEndTest):

    def setUp(self):
        super().setUp()
        self.data_dir.mkdir()
        self.daemon = self.start_daemon(
            "--disk-reserve", f"{RESERVE_MEBIBYTES}MiB",
            prefix=small_disk_prefix(self.data_dir))
        self.client = self.client_of(self.daemon)
        self.inside = pathlib.Path(f"/proc/{self.daemon.pid}/root{self.data_dir}")

    def test_fill_and_delete_again_and_again(self):
        # Either takes 11 MB of the 48, of which 16 are to stay free.
        first = models.write_large_model(self.path / "first", 1)
        second = models.write_large_model(self.path / "second", 1, rows=4095)
        large = models.write_large_model(self.path / "large", 8)
        self.client.json("upload", first, "org/first")
        for _ in range(3):
            message = self.assert_fails(self.client.run("upload", large, "org/large"))
            self.assertRegex(message, "disk has .* free, and uploads leave")
            # What that one had stored is waited for.
            self.client.json("upload", second, "org/second")
            self.client.json("verify", "org/second")
            self.client.json("delete", "org/second")
        # Below the reserve nothing is taken in; all else works.
        ballast = self.inside / "staging" / "ballast"
        ballast.write_bytes(bytes(26 << 20))
        self.assert_fails(self.client.run("upload", second, "org/second"), "disk has")
        self.client.json("tag", "org/first", "kept")
        self.client.json("download", "org/first", self.path / "out")
        self.assert_same_files(first, self.path / "out")
        freed = self.client.json("delete", f"org/first:latest")
        self.assertFalse(freed["revision_deleted"])
        freed = self.client.json("delete", "org/first:kept")
        self.assertGreater(freed["reclaimed_bytes"], 9_000_000)
        ballast.unlink()
        self.assert_round_trip(self.client, second, "org/second")
