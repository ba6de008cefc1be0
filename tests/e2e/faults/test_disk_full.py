"""A full disk refuses the upload, says so, and harms nothing else.

The data directory is a small tmpfs that only the daemon sees (a mount
namespace of its own, which needs either root or user namespaces).
"""

import pathlib
import subprocess

import harness
import models

SIZE_MEBIBYTES = 48


def small_disk_prefix(directory):
    """Runs what follows with a tmpfs of SIZE_MEBIBYTES mounted on `directory`."""
    mount = (f'mount -t tmpfs -o size={SIZE_MEBIBYTES}m tmpfs "$0" && exec "$@"')
    # In a chroot the root is no mount point, and its propagation cannot be set.
    for unshare in (["unshare", "--mount"], ["unshare", "--mount", "--map-root-user"],
                    ["unshare", "--mount", "--propagation", "unchanged"]):
        prefix = [*unshare, "sh", "-c", mount, str(directory)]
        if subprocess.run([*prefix, "true"], capture_output=True).returncode == 0:
            return prefix
    raise RuntimeError("cannot mount a tmpfs: this test needs root or user namespaces")


class DiskFull(harness.EndToEndTest):

    def setUp(self):
        super().setUp()
        self.data_dir.mkdir()
        self.daemon = self.start_daemon(prefix=small_disk_prefix(self.data_dir))
        self.client = self.client_of(self.daemon)
        self.inside = pathlib.Path(f"/proc/{self.daemon.pid}/root{self.data_dir}")

    def test_upload_is_refused_and_all_else_goes_on(self):
        kept = models.write_model(self.path / "kept", models.small_tensors("BF16"))
        self.client.json("upload", kept, "org/kept")
        before = harness.total_bytes(self.inside)
        large = models.write_large_model(self.path / "large", 8)
        for attempt in range(2):
            done = self.client.run("upload", large, "org/large")
            message = self.assert_fails(done)
            self.assertRegex(message.lower(), "no space|disk|full")
            self.wait_until(lambda: harness.total_bytes(self.inside) < before + 2_000_000,
                            what="the space of the refused upload")
        names = [entry["name"] for entry in self.client.json("list")["models"]]
        self.assertEqual(names, ["org/kept"])
        self.client.json("download", "org/kept", self.path / "out")
        self.assert_same_files(kept, self.path / "out")
        medium = models.write_large_model(self.path / "medium", 1)
        self.assert_round_trip(self.client, medium, "org/medium")

    def test_deletion_makes_room(self):
        # Either takes 33 MB; the disk has room for one and a half.
        first = models.write_large_model(self.path / "first", 3)
        self.client.json("upload", first, "org/first")
        second = models.write_large_model(self.path / "second", 3, rows=4093)
        self.assert_fails(self.client.run("upload", second, "org/second"))
        self.client.json("delete", "org/first")
        self.wait_until(
            lambda: self.client.run("upload", second, "org/second").returncode == 0,
            timeout_seconds=120, what="room for the second model")
        self.client.json("download", "org/second", self.path / "out")
        self.assert_same_files(second, self.path / "out")
