"""What was interrupted goes on: only what is missing travels again."""

import json
import os
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
# What a client that is busy decoding has not read yet: its receive buffer, the
# proxy's send buffer and gRPC's windows. Lost when the connection is cut.
UNREAD_BYTES = 32 << 20
RETRY_SECONDS = 60


# A daemon that holds so little of an upload that a client cannot have sent all
# of it before a test cuts it off, however slowly it is stored.
HOLDS_LITTLE = ("--max-uploads", "1", "--ingest-memory", "48MiB")


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

    def kill_download_in_the_middle(self, daemon, reference, target, *flags):
        """Cuts the client off after some bytes; returns what is staged."""
        proxy = CuttingProxy(daemon.address)
        self.addCleanup(proxy.close)
        client = Client(harness.BIN_DIR, proxy.address, RETRY_SECONDS)
        download = client.start("download", reference, target, *flags)
        self.addCleanup(download.communicate)
        self.addCleanup(download.kill)
        proxy.cut_after(60_000_000, to_client=True)
        self.wait_until(lambda: proxy.cuts == 1, what="the cut")
        # Headers, config.json and two chunks of a tensor.
        self.wait_until(lambda: sum(len(journal.read_text().splitlines()) for journal in
                                    target.parent.glob(f".{target.name}.*/.qstore-journal")) > 4,
                        what="chunks on disk")
        download.kill()
        download.wait()
        self.assertFalse(target.exists())
        return list(target.parent.glob(f".{target.name}.qstore-partial-*"))

    def test_download_goes_on_after_a_cut(self):
        daemon, direct = self.start()
        model = models.write_large_model(self.path / "m", 16)
        stored = sum(direct.json("upload", model, "org/m")["stored_bytes"].values())
        self.assertGreater(stored // 2, CHUNK_BYTES + 2 * UNREAD_BYTES)
        proxy, client = self.through(daemon)
        proxy.cut_after(stored // 2, to_client=True)
        result, notes = self.run_json(client, "download", "org/m", self.path / "out")
        self.assertEqual(proxy.cuts, 1)
        self.assertEqual(result["attempts"], 2)
        self.assertIn("trying again in", notes)
        self.assertEqual(result["bytes_received"], sum(result["received_bytes"].values()))
        self.assertGreater(result["resumed_bytes"], stored // 2 - CHUNK_BYTES - UNREAD_BYTES)
        self.assertLess(result["bytes_received"], stored + CHUNK_BYTES + SLACK_BYTES)
        self.assert_same_files(model, self.path / "out")
        self.assertEqual(list(self.path.glob(".out.*")), [])

    def test_download_of_a_killed_client_goes_on(self):
        daemon, client = self.start()
        model = models.write_large_model(self.path / "m", harness.tensors_to_cut())
        stored = client.json("upload", model, "org/m")["stored_bytes"]
        reference = {}
        for precision, expected in (("original", sum(stored.values())),
                                    ("int8", stored["int8"] + stored["other"])):
            client.json("download", "org/m", self.path / f"ref-{precision}",
                        "--precision", precision)
            with self.subTest(precision=precision):
                target = self.path / f"out-{precision}"
                flags = ("--precision", precision)
                staged = self.kill_download_in_the_middle(daemon, "org/m", target, *flags)
                self.assertEqual(len(staged), 1)
                result = client.json("download", "org/m", target, *flags)
                self.assertGreater(result["resumed_bytes"], 5_000_000)
                self.assertLess(result["bytes_received"],
                                expected - result["resumed_bytes"] + (1 << 20))
                self.assert_same_files(self.path / f"ref-{precision}", target)
                self.assertFalse(staged[0].exists())

    def test_what_is_staged_is_not_trusted(self):
        daemon, client = self.start()
        model = models.write_large_model(self.path / "m", harness.tensors_to_cut())
        client.json("upload", model, "org/m")
        for what in ("data", "short", "journal", "more"):
            with self.subTest(what=what):
                target = self.path / f"out-{what}"
                (staged,) = self.kill_download_in_the_middle(daemon, "org/m", target)
                file = staged / "model.safetensors"
                journal = staged / ".qstore-journal"
                if what == "data":
                    with open(file, "r+b") as opened:
                        opened.seek(1_000_000)
                        opened.write(b"damage")
                elif what == "short":
                    os.truncate(file, 5_000_000)
                elif what == "journal":
                    # Chunks that never came, of objects that are not there.
                    with open(journal, "a") as opened:
                        opened.write("".join(f"{i} 0 1\n" for i in range(5, 2000)))
                else:
                    with open(file, "ab") as opened:
                        opened.write(b"more")
                result, _ = self.run_json(client, "download", "org/m", target)
                self.assert_same_files(model, target)
                if what in ("data", "more"):
                    self.assertGreater(result["resumed_bytes"], 5_000_000)

    def test_another_revision_does_not_go_on(self):
        daemon, client = self.start()
        model = models.write_large_model(self.path / "m", harness.tensors_to_cut())
        client.json("upload", model, "org/m")
        target = self.path / "out"
        (staged,) = self.kill_download_in_the_middle(daemon, "org/m", target)
        other = models.write_model(self.path / "other")
        client.json("upload", other, "org/m")
        self.assertEqual(client.json("download", "org/m", target)["resumed_bytes"], 0)
        self.assert_same_files(other, target)
        self.assertFalse(staged.exists())

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

    def test_daemon_killed_in_a_download(self):
        daemon, direct = self.start()
        model = models.write_large_model(self.path / "m", harness.tensors_to_cut())
        stored = sum(direct.json("upload", model, "org/m")["stored_bytes"].values())
        proxy, client = self.through(daemon)
        download = client.start("--json", "download", "org/m", self.path / "out")
        self.addCleanup(download.kill)
        proxy.cut_after(60_000_000, to_client=True)
        self.wait_until(lambda: proxy.cuts == 1, what="the cut")
        daemon.kill()
        daemon = self.start_daemon()
        proxy.aim_at(daemon.address)
        out, errors = download.communicate(timeout=120)
        self.assertEqual(download.returncode, 0, errors)
        result = json.loads(out)
        self.assertGreater(result["resumed_bytes"], 5_000_000)
        self.assertLess(result["bytes_received"], stored + 2 * CHUNK_BYTES + SLACK_BYTES)
        self.assert_same_files(model, self.path / "out")

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
