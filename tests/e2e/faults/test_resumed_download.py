"""An interrupted download goes on: only what is missing travels again."""

import json
import os

import harness
import models
from cut_transfers import CHUNK_BYTES, RETRY_SECONDS, SLACK_BYTES, UNREAD_BYTES, CutTransfersTest
from cutting_proxy import CuttingProxy
from qstore_process import Client


class ResumedDownload(CutTransfersTest):

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
