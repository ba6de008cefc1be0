"""An upload goes on after the daemon was killed or stopped, and its space comes back when not."""

import json

import harness
import models
from cut_transfers import HOLDS_LITTLE, SLACK_BYTES, CutTransfersTest

# Between two points at which an upload can go on, by default and here.
DEFAULT_INTERVAL_BYTES = 64 << 20
INTERVAL_BYTES = 16 << 20
OFTEN = (*HOLDS_LITTLE, "--checkpoint-every", "16MiB")
# models.write_large_model makes such tensors.
TENSOR_BYTES = 16 << 20
# Stored when a test cuts it off: some tensors of which each takes about a half.
GROWN_BYTES = 40_000_000


class ResumeRestart(CutTransfersTest):

    def large_model(self):
        model = models.write_large_model(self.path / "m", harness.tensors_to_cut())
        return model, harness.total_bytes(model)

    def cut_upload(self, model, *flags):
        """An upload whose client was killed in the middle of it."""
        daemon, client = self.start(*flags)
        upload = self.start_upload_and_wait(daemon, client, model, GROWN_BYTES)
        return daemon, upload

    def assert_goes_on(self, daemon, model, size):
        result = self.client_of(daemon).json("upload", model, "org/m")
        self.assertTrue(result["created"])
        # What is sent again is what came after the last point.
        self.assertGreater(result["resumed_bytes"],
                           GROWN_BYTES - INTERVAL_BYTES - TENSOR_BYTES)
        self.assertLess(result["bytes_sent"], size - result["resumed_bytes"] + (1 << 20))
        self.assert_stored(daemon, model, "org/m")
        self.assertIn("nothing to sweep", self.restarted_log(daemon))

    def restarted_log(self, daemon):
        """What a daemon says that starts on what this one leaves."""
        daemon.kill()
        log = self.path / "qstored.log"
        before = len(log.read_text())
        self.start_daemon(*OFTEN)
        return log.read_text()[before:]

    def test_daemon_killed_and_client_too(self):
        model, size = self.large_model()
        daemon, upload = self.cut_upload(model, *OFTEN)
        daemon.kill()
        upload.kill()
        upload.wait()
        daemon = self.start_daemon(*OFTEN)
        self.assert_nothing_stored(self.client_of(daemon))
        self.assert_goes_on(daemon, model, size)

    def test_daemon_stopped_in_an_upload(self):
        model, size = self.large_model()
        flags = (*OFTEN, "--grace", "0")
        daemon, upload = self.cut_upload(model, *flags)
        self.assertEqual(daemon.stop(), 0)
        upload.kill()
        upload.wait()
        self.assert_goes_on(self.start_daemon(*flags), model, size)

    def test_daemon_stopped_that_keeps_an_upload(self):
        model, size = self.large_model()
        daemon, upload = self.cut_upload(model, *OFTEN)
        upload.kill()
        upload.wait()
        log = self.path / "qstored.log"
        self.wait_until(lambda: "for its client to go on" in log.read_text(),
                        what="the upload to be kept")
        self.assertEqual(daemon.stop(), 0)
        # And over a start at which nobody comes.
        daemon = self.start_daemon(*OFTEN)
        self.assertEqual(daemon.stop(), 0)
        self.assert_goes_on(self.start_daemon(*OFTEN), model, size)

    def test_the_same_client_goes_on(self):
        daemon, _ = self.start(*HOLDS_LITTLE)
        proxy, client = self.through(daemon)
        model = models.write_large_model(self.path / "m", 16)
        size = harness.total_bytes(model)
        upload = self.start_upload_and_wait(daemon, client, model, 80_000_000)
        daemon.kill()
        daemon = self.start_daemon(*HOLDS_LITTLE)
        proxy.aim_at(daemon.address)
        out, errors = upload.communicate(timeout=300)
        self.assertEqual(upload.returncode, 0, errors)
        result = json.loads(out)
        self.assertGreater(result["attempts"], 1)
        self.assertGreater(result["resumed_bytes"], 0)
        # What the daemon held in memory, and what was on the way, is sent again.
        self.assertLess(result["bytes_sent"],
                        size + DEFAULT_INTERVAL_BYTES + TENSOR_BYTES + (48 << 20) + SLACK_BYTES)
        self.assert_stored(daemon, model, "org/m")

    def test_space_comes_back_when_nobody_goes_on(self):
        model, _ = self.large_model()
        daemon, upload = self.cut_upload(model, *OFTEN)
        daemon.kill()
        upload.kill()
        upload.wait()
        short = (*OFTEN, "--resume-window", "2")
        daemon = self.start_daemon(*short)
        self.wait_until(lambda: harness.data_bytes(daemon) < 500_000,
                        what="the space of the upload that nobody went on with")
        self.assertEqual(self.client_of(daemon).json("upload", model, "org/m")["resumed_bytes"], 0)
        self.assert_stored(daemon, model, "org/m")

    def test_a_daemon_that_keeps_nothing(self):
        model, _ = self.large_model()
        daemon, upload = self.cut_upload(model, *OFTEN)
        daemon.kill()
        upload.kill()
        upload.wait()
        daemon = self.start_daemon("--resume-window", "0")
        self.wait_until(lambda: harness.data_bytes(daemon) < 500_000, what="the space")
        self.assert_nothing_stored(self.client_of(daemon))
