"""An acknowledged upload survives; an unacknowledged one never shows."""

import random
import signal
import time

import harness
import models

# What an empty store may grow by through RocksDB's own logs and records.
SLACK_BYTES = 500_000


class Crash(harness.EndToEndTest):

    def start_upload_and_wait(self, daemon, client, model, reference="org/m"):
        """Returns the client's process once part of the model is on disk."""
        before = harness.data_bytes(daemon)
        upload = client.start("upload", model, reference)
        self.addCleanup(upload.communicate)
        self.addCleanup(upload.kill)
        self.wait_until(lambda: harness.data_bytes(daemon) > before + SLACK_BYTES
                        or upload.poll() is not None, what="the upload's first bytes")
        self.assertIsNone(upload.poll(), "the upload ended before it was cut off")
        return upload

    def assert_space_comes_back(self, daemon, before):
        self.wait_until(lambda: harness.data_bytes(daemon) < before + SLACK_BYTES,
                        what="the space of the upload that was cut off")

    def test_client_killed_in_the_middle(self):
        daemon, client = self.start("--resume-window", "0")
        before = harness.data_bytes(daemon)
        model = models.write_large_model(self.path / "m", harness.tensors_to_cut())
        upload = self.start_upload_and_wait(daemon, client, model)
        upload.kill()
        upload.wait()
        self.assert_space_comes_back(daemon, before)
        self.assert_nothing_stored(client)
        self.assert_round_trip(client, models.write_model(self.path / "small"))

    def test_client_interrupted_in_the_middle(self):
        daemon, client = self.start("--resume-window", "1")
        before = harness.data_bytes(daemon)
        model = models.write_large_model(self.path / "m", harness.tensors_to_cut())
        upload = self.start_upload_and_wait(daemon, client, model)
        upload.send_signal(signal.SIGINT)
        self.assertNotEqual(upload.wait(60), 0)
        self.assert_space_comes_back(daemon, before)
        self.assert_nothing_stored(client)

    def test_download_interrupted_leaves_no_partial_file(self):
        daemon, client = self.start()
        model = models.write_large_model(self.path / "m", harness.tensors_to_cut())
        client.json("upload", model, "org/m")
        target = self.path / "out"
        download = client.start("download", "org/m", target)
        self.addCleanup(download.communicate)
        self.wait_until(lambda: target.exists() and any(target.iterdir())
                        or download.poll() is not None, what="the download's first file")
        download.kill()
        download.wait()
        for name, digest in harness.sha256_by_path(target).items():
            expected = harness.sha256_by_path(model)
            if name in expected:
                self.assertEqual(digest, expected[name], "a partial file has a final name")
        client.json("download", "org/m", target)
        for name, digest in harness.sha256_by_path(model).items():
            self.assertEqual(harness.sha256_by_path(target)[name], digest)

    def test_daemon_killed_after_the_answer(self):
        daemon, client = self.start()
        model = models.write_large_model(self.path / "m", 3)
        client.json("upload", model, "org/m")
        daemon.kill()
        daemon, client = self.start()
        client.json("download", "org/m", self.path / "out")
        self.assert_same_files(model, self.path / "out")
        client.json("verify", "org/m")

    def test_daemon_killed_in_the_middle(self):
        daemon, client = self.start()
        before = harness.data_bytes(daemon)
        model = models.write_large_model(self.path / "m", harness.tensors_to_cut())
        upload = self.start_upload_and_wait(daemon, client, model)
        daemon.kill()
        self.assertNotEqual(upload.wait(60), 0)
        # What was remembered of it goes when the window ends.
        daemon, client = self.start("--resume-window", "1")
        self.assert_nothing_stored(client)
        self.assert_space_comes_back(daemon, before)
        self.assert_round_trip(client, models.write_model(self.path / "small"))

    def test_daemon_killed_at_random_moments(self):
        generator = random.Random(7)
        model = models.write_large_model(self.path / "m", 4)
        for round_number in range(6):
            with self.subTest(round=round_number):
                daemon, client = self.start()
                reference = f"org/m{round_number}"
                upload = client.start("--json", "upload", model, reference)
                time.sleep(generator.uniform(0.0, 0.8))
                daemon.kill()
                upload.communicate()
                acknowledged = upload.returncode == 0
                daemon, client = self.start()
                names = [entry["name"] for entry in client.json("list")["models"]]
                if acknowledged:
                    self.assertIn(reference, names)
                for name in names:
                    client.json("verify", name)
                daemon.stop()

    def test_sigterm_in_the_middle(self):
        daemon, client = self.start()
        model = models.write_large_model(self.path / "m", harness.tensors_to_cut())
        upload = self.start_upload_and_wait(daemon, client, model)
        self.assertEqual(daemon.stop(timeout_seconds=120), 0)
        upload.communicate()
        acknowledged = upload.returncode == 0
        _, client = self.start()
        names = [entry["name"] for entry in client.json("list")["models"]]
        self.assertEqual(names, ["org/m"] if acknowledged else [])
        if acknowledged:
            client.json("download", "org/m", self.path / "out")
            self.assert_same_files(model, self.path / "out")
