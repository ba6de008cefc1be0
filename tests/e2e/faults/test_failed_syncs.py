"""A disk that fails to write or to sync RocksDB's list of tables, once or for good.

Whatever was acknowledged is there and whole, before and after a restart; the
daemon lives, and works again when the disk does.
"""

import errno
import os
import pathlib
import shutil
import subprocess
import sys

import harness
import models
from qstore_process import clean_environment

sys.path.insert(0, str(harness.ROOT / "tests" / "failingdisk"))

from failing_disk import FOR_EVER, FailingDisk  # noqa: E402
from store_calls import StoreCalls  # noqa: E402

WRITES = "qstore.v1.ModelStore.writes"


class FailedSyncs(harness.EndToEndTest):

    def setUp(self):
        super().setUp()
        self.new = models.write_model(self.path / "new", models.small_tensors("BF16", seed=7))
        self.kept = models.write_model(self.path / "kept", models.small_tensors("BF16"))
        self.disk = FailingDisk(harness.BIN_DIR, self.path / "control",
                                [self.data_dir / "MANIFEST-"])
        self.base = self.path / "base"
        with self.start_daemon(data_dir=self.base) as daemon:
            client = self.client_of(daemon)
            client.json("upload", self.kept, "org/kept")
            client.json("upload", self.path / "kept", "org/old", "--int8-coder", "sliced")

    def start_failing(self, call, error, skip, count):
        """A daemon on a copy of the store whose disk fails from now on."""
        self.disk.heal()
        shutil.rmtree(self.data_dir, ignore_errors=True)
        shutil.copytree(self.base, self.data_dir)
        daemon = self.start_daemon(environment=clean_environment(**self.disk.environment()))
        self.disk.fail([call], error, skip, count)
        return daemon, self.client_of(daemon)

    def work(self, client, error):
        """Makes changes; the names of those that were acknowledged."""
        acknowledged = set()
        for name, arguments in {
                "new": ("upload", self.new, "org/new"),
                "tag": ("tag", "org/kept", "stable"),
                "gone": ("delete", "org/old"),
                "newer": ("upload", self.new, "org/newer")}.items():
            done = client.run(*arguments)
            if done.returncode == 0:
                acknowledged.add(name)
            else:
                self.assert_fails(done, os.strerror(error))
        return acknowledged

    def assert_there(self, client, acknowledged):
        tags = {f"{model['name']}:{tag}"
                for model in client.json("list")["models"] for tag in model["tags"]}
        expected = {"org/kept:latest"}
        expected |= {"org/new:latest"} if "new" in acknowledged else set()
        expected |= {"org/newer:latest"} if "newer" in acknowledged else set()
        expected |= {"org/kept:stable"} if "tag" in acknowledged else set()
        self.assertLessEqual(expected, tags)
        if "gone" in acknowledged:
            self.assertNotIn("org/old:latest", tags)
        # Also what was not acknowledged: it is there whole, or not at all.
        for reference in tags:
            client.json("verify", reference)

    def check(self, call, error, skip, count, stop):
        with self.subTest(call=call, error=error, skip=skip, count=count, stop=stop):
            daemon, client = self.start_failing(call, error, skip, count)
            acknowledged = self.work(client, error)
            self.assertGreater(self.disk.failed(), 0, "nothing failed")
            self.assertIsNone(daemon.process.poll(), daemon.log_text()[-500:])
            self.assert_there(client, acknowledged)
            if stop == "kill":
                daemon.kill()
            else:
                self.assertEqual(daemon.stop(), 0)
            with self.start_daemon() as restarted:
                self.assert_there(self.client_of(restarted), acknowledged)
            return acknowledged

    def test_one_sync_fails(self):
        for skip in range(4):
            self.check("sync", errno.EIO, skip, 1, "term")
        for skip in (1, 3):
            self.check("sync", errno.EIO, skip, 1, "kill")
        self.check("sync", errno.ENOSPC, 1, 1, "term")
        self.check("sync", errno.ENOSPC, 3, 1, "kill")

    def test_one_write_fails(self):
        for skip in (1, 3):
            self.check("write", errno.ENOSPC, skip, 1, "kill")
        self.check("write", errno.ENOSPC, 5, 1, "term")
        self.check("write", errno.EIO, 1, 1, "kill")

    def test_every_sync_fails(self):
        for stop in ("term", "kill"):
            self.assertEqual(self.check("sync", errno.EIO, 1, FOR_EVER, stop), set())
            self.assertIn("takes no writes, and tries", self.log_text())

    def test_health_says_that_no_writes_are_taken(self):
        daemon, client = self.start_failing("sync", errno.EIO, 1, FOR_EVER)
        calls = StoreCalls(daemon.address)
        self.addCleanup(calls.close)
        self.assertTrue(calls.serves(WRITES))
        self.assertEqual(self.probe(daemon).returncode, 0)
        self.assert_fails(client.run("upload", self.new, "org/new"), "input/output error")
        self.wait_until(lambda: not calls.serves(WRITES), what="NOT_SERVING for writes")
        # Reading goes on, and so says health.
        self.assertTrue(calls.serves())
        self.assertTrue(calls.serves("qstore.v1.ModelStore"))
        client.json("verify", "org/kept")
        probed = self.probe(daemon)
        self.assertEqual(probed.returncode, 1)
        self.assertIn("takes no writes", probed.stderr)
        self.disk.heal()
        self.wait_until(lambda: calls.serves(WRITES), what="SERVING for writes")
        self.assertEqual(self.probe(daemon).returncode, 0)
        client.json("upload", self.new, "org/new")

    def probe(self, daemon):
        return subprocess.run([harness.BIN_DIR / "qstored", "--health-check", daemon.address],
                              capture_output=True, text=True, check=False)

    def test_it_works_again_by_itself(self):
        """Half a dozen attempts fail, which takes more than a second."""
        daemon, client = self.start_failing("sync", errno.ENOSPC, 1, 6)
        self.assert_fails(client.run("upload", self.new, "org/new"), "no space left")
        self.wait_until(lambda: "takes writes again" in self.log_text(),
                        what="the line about writing again")
        self.assertEqual(self.disk.failed(), 6)
        self.assertEqual(self.log_text().count("takes no writes, and tries"), 1)
        self.assertEqual(self.work(client, errno.ENOSPC), {"new", "tag", "gone", "newer"})
        self.assertEqual(daemon.stop(), 0)
        with self.start_daemon() as restarted:
            self.assert_there(self.client_of(restarted), {"new", "tag", "gone", "newer"})

    def log_text(self):
        return pathlib.Path(self.path / "qstored.log").read_text(errors="replace")
