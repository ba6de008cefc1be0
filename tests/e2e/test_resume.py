"""What was interrupted goes on: only what is missing travels again."""

import json
import signal

import harness
import models
from cutting_proxy import CuttingProxy
from qstore_process import Client

# A chunk of BF16 weights; an upload repeats at most the one that was open.
CHUNK_BYTES = 16 << 20
# Messages around payloads, and what lay between client and server when the
# connection was cut: socket buffers and gRPC's windows.
SLACK_BYTES = 8 << 20
RETRY_SECONDS = 60


class Resume(harness.EndToEndTest):

    def through(self, daemon):
        """A proxy before the daemon, and a client that tries again."""
        proxy = CuttingProxy(daemon.address)
        self.addCleanup(proxy.close)
        return proxy, Client(harness.BIN_DIR, proxy.address, RETRY_SECONDS)

    def run_json(self, client, *arguments):
        """The result as JSON, and what was told on stderr."""
        done = client.run("--json", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout), done.stderr

    def assert_stored(self, daemon, model, reference):
        client = self.client_of(daemon)
        target = self.path / ("check-" + reference.replace("/", "-"))
        client.json("download", reference, target)
        self.assert_same_files(model, target)
        client.json("verify", reference)

    def start_upload_and_wait(self, daemon, client, model, grown_bytes, reference="org/m"):
        before = harness.data_bytes(daemon)
        upload = client.start("--json", "upload", model, reference)
        self.addCleanup(upload.communicate)
        self.addCleanup(upload.kill)
        self.wait_until(lambda: harness.data_bytes(daemon) > before + grown_bytes
                        or upload.poll() is not None, what="part of the upload")
        self.assertIsNone(upload.poll(), "the upload ended before it was cut off")
        return upload

    def test_upload_goes_on_after_a_cut(self):
        daemon, _ = self.start()
        proxy, client = self.through(daemon)
        model = models.write_large_model(self.path / "m", 8)
        size = harness.total_bytes(model)
        proxy.cut_after(size // 2)
        result, notes = self.run_json(client, "upload", model, "org/m")
        self.assertEqual(proxy.cuts, 1)
        self.assertEqual(result["attempts"], 2)
        self.assertIn("trying again in", notes)
        self.assertGreater(result["resumed_bytes"], size // 2 - CHUNK_BYTES - SLACK_BYTES)
        self.assertLess(result["bytes_sent"], size + CHUNK_BYTES + SLACK_BYTES)
        self.assert_stored(daemon, model, "org/m")

    def test_upload_goes_on_after_many_cuts(self):
        daemon, _ = self.start()
        proxy, client = self.through(daemon)
        model = models.write_large_model(self.path / "m", 16, rows=1024)
        size = harness.total_bytes(model)
        upload = client.start("--json", "upload", model, "org/m")
        self.addCleanup(upload.kill)
        while upload.poll() is None:
            if proxy.cuts < 4:
                cuts = proxy.cuts
                proxy.cut_after(size // 5)
                self.wait_until(lambda: proxy.cuts > cuts or upload.poll() is not None,
                                what="the next cut")
            else:
                upload.wait(60)
        out, errors = upload.communicate()
        self.assertEqual(upload.returncode, 0, errors)
        result = json.loads(out)
        self.assertEqual(result["attempts"], 5)
        self.assertLess(result["bytes_sent"], size + 4 * (4 << 20) + 4 * SLACK_BYTES)
        self.assert_stored(daemon, model, "org/m")

    def test_upload_of_a_killed_client_goes_on(self):
        daemon, client = self.start()
        model = models.write_large_model(self.path / "m", 16)
        size = harness.total_bytes(model)
        upload = self.start_upload_and_wait(daemon, client, model, 20_000_000)
        upload.kill()
        upload.wait()
        self.assert_nothing_stored(client)
        result = client.json("upload", model, "org/m")
        self.assertTrue(result["created"])
        self.assertGreater(result["resumed_bytes"], 20_000_000)
        self.assertLess(result["bytes_sent"], size - result["resumed_bytes"] + (1 << 20))
        self.assert_stored(daemon, model, "org/m")

    def test_interrupted_by_hand(self):
        daemon, client = self.start()
        model = models.write_large_model(self.path / "m", 16)
        upload = self.start_upload_and_wait(daemon, client, model, 20_000_000)
        upload.send_signal(signal.SIGINT)
        self.assertEqual(upload.wait(60), 130)
        self.assertGreater(client.json("upload", model, "org/m")["resumed_bytes"], 20_000_000)
        self.assert_stored(daemon, model, "org/m")

    def test_a_file_that_changed_starts_anew(self):
        daemon, client = self.start()
        model = models.write_large_model(self.path / "m", 16)
        upload = self.start_upload_and_wait(daemon, client, model, 20_000_000)
        upload.kill()
        upload.wait()
        with open(model / "config.json", "r+b") as file:
            file.write(b"{ \"model_type\":")
        size = harness.total_bytes(model)
        result, notes = self.run_json(client, "upload", model, "org/m")
        self.assertIn("start from the first file", notes)
        self.assertEqual(result["resumed_bytes"], 0)
        self.assertGreater(result["bytes_sent"], size)
        self.assert_stored(daemon, model, "org/m")

    def test_space_comes_back_when_nobody_goes_on(self):
        daemon, client = self.start("--resume-window", "2")
        before = harness.data_bytes(daemon)
        model = models.write_large_model(self.path / "m", 16)
        upload = self.start_upload_and_wait(daemon, client, model, 20_000_000)
        upload.kill()
        upload.wait()
        self.wait_until(lambda: harness.data_bytes(daemon) < before + 500_000,
                        what="the space of the upload that was cut off")
        self.assertEqual(client.json("upload", model, "org/m")["resumed_bytes"], 0)

    def test_server_away_for_a_moment(self):
        daemon, _ = self.start()
        model = models.write_model(self.path / "m")
        self.client_of(daemon).json("upload", model, "org/m")
        proxy, client = self.through(daemon)
        daemon.kill()
        for command in (("list",), ("show", "org/m"), ("verify", "org/m"),
                        ("tag", "org/m", "prod"), ("delete", "org/m:prod")):
            waiting = client.start("--json", *command)
            self.addCleanup(waiting.kill)
            first_note = waiting.stderr.readline()
            self.assertIn("trying again in", first_note)
            daemon = self.start_daemon()
            proxy.aim_at(daemon.address)
            waiting.communicate(timeout=60)
            self.assertEqual(waiting.returncode, 0, command)
            if command[0] != "delete":
                daemon.kill()

    def test_gives_up_in_time(self):
        client = Client(harness.BIN_DIR, "127.0.0.1:9", 2)
        done = client.run("list", timeout_seconds=20)
        self.assertEqual(done.returncode, 1)
        *notes, error = done.stderr.strip().splitlines()
        self.assertGreater(len(notes), 0)
        for note in notes:
            self.assertTrue(note.startswith("note: "), note)
        self.assertTrue(error.startswith("error: "), error)
