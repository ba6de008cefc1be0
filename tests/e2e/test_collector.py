"""Deleting data that stands still holds up nobody: not those who let go of it,
no other call, no new connection and no stop."""

import signal
import time

import failpoint_lab
import harness
import models
import raw_calls
from qstore_process import clean_environment
from raw_calls import text_field

MODELS = 4
DELAY_SECONDS = 15
# The stop waits for the deletion that is going on, and for no other.
GRACE_SECONDS = 20
# What takes some hundredths of a second otherwise, sanitized or beside other tests.
QUICK_SECONDS = 5


class Collector(harness.EndToEndTest):

    def quickly(self, what, action):
        before = time.monotonic()
        result = action()
        self.assertLess(time.monotonic() - before, QUICK_SECONDS, what)
        return result

    def test_cancelled_downloads_of_deleted_models_with_a_slow_deletion(self):
        daemon = self.start_daemon(
            "--grace", str(GRACE_SECONDS), program=failpoint_lab.PROGRAM,
            environment=clean_environment(
                QSTORE_FAILPOINTS=f"collect.data=delay({DELAY_SECONDS * 1000})"))
        client = self.client_of(daemon)
        tiny = models.write_model(self.path / "tiny")
        client.json("upload", tiny, "org/tiny")
        calls = []
        for i in range(MODELS):
            model = models.write_large_model(self.path / f"large{i}", 4, rows=4095 - i)
            client.json("upload", model, f"org/large{i}")
            channel = raw_calls.new_channel(daemon.address)
            self.addCleanup(channel.close)
            calls.append(raw_calls.download(channel, f"org/large{i}"))
            next(calls[-1])
            # What is being read is not said to come back.
            self.assertEqual(client.json("delete", f"org/large{i}")["reclaimed_bytes"], 0)
        stored_bytes = harness.data_bytes(daemon)
        for call in calls:
            call.cancel()
        self.wait_until(lambda: "failpoint collect.data: " in daemon.log_text(),
                        what="a deletion that stands still")
        began = time.monotonic()
        self.quickly("a download", lambda: client.json("download", "org/tiny", self.path / "out"))
        self.assert_same_files(tiny, self.path / "out")
        channel = raw_calls.new_channel(daemon.address)
        self.addCleanup(channel.close)
        self.quickly("a new connection", lambda: channel.unary_unary(
            "/grpc.health.v1.Health/Check")(text_field(1, "qstore.v1.ModelStore"), timeout=10))
        other = models.write_model(self.path / "other", models.small_tensors("BF16", seed=9))
        self.quickly("an upload", lambda: client.json("upload", other, "org/other"))
        self.quickly("a deletion", lambda: client.json("delete", "org/other"))
        self.quickly("a list", lambda: client.json("list"))
        self.assertLess(time.monotonic() - began, DELAY_SECONDS - 5, "it stands still no more")
        self.assertGreater(harness.data_bytes(daemon), stored_bytes / 2)
        before = time.monotonic()
        daemon.process.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.process.wait(60), 0)
        self.assertLess(time.monotonic() - before, GRACE_SECONDS)
        # What was left is swept.
        again, client = self.start()
        self.assertIn("swept what", again.log_text())
        self.assertEqual([entry["name"] for entry in client.json("list")["models"]], ["org/tiny"])
        self.assertLess(harness.data_bytes(again), stored_bytes / 10)
