"""An interrupted upload goes on, and what is safe is tried again."""

import json
import signal

import harness
import models
from cut_transfers import CHUNK_BYTES, HOLDS_LITTLE, SLACK_BYTES, CutTransfersTest
from qstore_process import Client


class Resume(CutTransfersTest):

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
        daemon, client = self.start(*HOLDS_LITTLE)
        model = models.write_large_model(self.path / "m", harness.tensors_to_cut())
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
        daemon, client = self.start(*HOLDS_LITTLE)
        model = models.write_large_model(self.path / "m", harness.tensors_to_cut())
        upload = self.start_upload_and_wait(daemon, client, model, 20_000_000)
        upload.send_signal(signal.SIGINT)
        self.assertEqual(upload.wait(60), 130)
        self.assertGreater(client.json("upload", model, "org/m")["resumed_bytes"], 20_000_000)
        self.assert_stored(daemon, model, "org/m")

    def test_a_file_that_changed_starts_anew(self):
        daemon, client = self.start(*HOLDS_LITTLE)
        model = models.write_large_model(self.path / "m", harness.tensors_to_cut())
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
        daemon, client = self.start(*HOLDS_LITTLE, "--resume-window", "2")
        before = harness.data_bytes(daemon)
        model = models.write_large_model(self.path / "m", harness.tensors_to_cut())
        upload = self.start_upload_and_wait(daemon, client, model, 20_000_000)
        upload.kill()
        upload.wait()
        self.wait_until(lambda: harness.data_bytes(daemon) < before + 500_000,
                        what="the space of the upload that was cut off")
        self.assertEqual(client.json("upload", model, "org/m")["resumed_bytes"], 0)

    def test_daemon_killed_in_an_upload(self):
        daemon, direct = self.start()
        proxy, client = self.through(daemon)
        model = models.write_large_model(self.path / "m", harness.tensors_to_cut())
        upload = self.start_upload_and_wait(daemon, client, model, 20_000_000)
        daemon.kill()
        daemon = self.start_daemon()
        self.assert_nothing_stored(self.client_of(daemon))
        proxy.aim_at(daemon.address)
        out, errors = upload.communicate(timeout=120)
        self.assertEqual(upload.returncode, 0, errors)
        self.assertGreater(json.loads(out)["attempts"], 1)
        self.assert_stored(daemon, model, "org/m")

    def test_server_away_for_a_moment(self):
        flags = ("--backup-dir", self.path / "backups")
        daemon, _ = self.start(*flags)
        model = models.write_model(self.path / "m")
        self.client_of(daemon).json("upload", model, "org/m")
        proxy, client = self.through(daemon)
        daemon.kill()
        for command in (("list",), ("show", "org/m"), ("verify", "org/m"),
                        ("tag", "org/m", "prod"), ("scrub-status",), ("backup", "before"),
                        ("delete", "org/m:prod")):
            waiting = client.start("--json", *command)
            self.addCleanup(waiting.kill)
            first_note = waiting.stderr.readline()
            self.assertIn("trying again in", first_note)
            daemon = self.start_daemon(*flags)
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
