"""SIGTERM under load: every call that was accepted comes to its end."""

import signal
import time

import grpc

import harness
import models
import raw_calls
from raw_calls import text_field

SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"


class Drain(harness.EndToEndTest):

    def health(self, channel):
        return channel.unary_unary("/grpc.health.v1.Health/Check")(
            text_field(1, "qstore.v1.ModelStore"), timeout=10)

    def test_accepted_calls_finish_and_nothing_is_lost(self):
        stored = models.write_large_model(self.path / "stored", 6)
        sent = [models.write_large_model(self.path / f"sent{i}", 4, rows=4095 - i)
                for i in range(3)]
        daemon, client = self.start("--grace", "120", "--max-uploads", "3",
                                    "--max-downloads", "4")
        client.json("upload", stored, "org/stored")
        channel = raw_calls.new_channel(daemon.address)
        self.addCleanup(channel.close)
        self.assertEqual(self.health(channel), SERVING)
        # A download that is begun, and one upload and one download too many,
        # which wait in the queue and may be sent away.
        begun = raw_calls.download(channel, "org/stored")
        next(begun)
        uploads = [client.start("upload", model, f"org/sent{i}")
                   for i, model in enumerate(sent)]
        downloads = [client.start("download", "org/stored", self.path / f"out{i}")
                     for i in range(3)]
        self.wait_until(lambda: self.accepted(daemon), what="all calls to run")
        daemon.process.send_signal(signal.SIGTERM)
        self.wait_until(lambda: self.health(channel) == NOT_SERVING,
                        what="NOT_SERVING")
        with self.assertRaises(grpc.RpcError) as raised:
            next(raw_calls.download(channel, "org/stored"))
        self.assertEqual(raised.exception.code(), grpc.StatusCode.UNAVAILABLE)
        sum(1 for _ in begun)  # raises unless it ends with OK
        for process in uploads + downloads:
            _, errors = process.communicate(timeout=300)
            self.assertEqual(process.returncode, 0, errors)
        self.assertEqual(daemon.process.wait(60), 0)
        for i in range(3):
            self.assert_same_files(stored, self.path / f"out{i}")
        _, client = self.start()
        for i, model in enumerate(sent):
            client.json("download", f"org/sent{i}", self.path / f"again{i}")
            self.assert_same_files(model, self.path / f"again{i}")

    def accepted(self, daemon):
        """Whether three uploads store and all clients are connected."""
        staged = list((daemon.data_dir / "staging").glob("*.sst"))
        return len({path.name.split("-")[0] for path in staged}) >= 3

    def test_queued_calls_are_sent_away_at_once(self):
        model = models.write_model(self.path / "m")
        daemon, client = self.start("--grace", "60", "--max-uploads", "1")
        running = raw_calls.new_channel(daemon.address)
        waiting = raw_calls.new_channel(daemon.address)
        self.addCleanup(running.close)
        self.addCleanup(waiting.close)

        def slowly():
            yield raw_calls.begin_message("org/slow")
            yield raw_calls.file_message("empty", 0)
            while daemon.process.poll() is None and not ended:
                time.sleep(0.05)
            yield text_field(4, b"\x08\x01")  # one file, no bytes

        ended = []
        first = raw_calls.upload(running, slowly())
        time.sleep(0.5)
        second = raw_calls.upload(waiting, iter([raw_calls.begin_message("org/b")]))
        time.sleep(0.5)
        self.assertFalse(second.done())
        before = time.monotonic()
        daemon.process.send_signal(signal.SIGTERM)
        self.assertEqual(second.code(), grpc.StatusCode.UNAVAILABLE)
        self.assertLess(time.monotonic() - before, 5)
        ended.append(True)
        first.result(timeout=60)
        self.assertEqual(daemon.process.wait(60), 0)
        _, client = self.start()
        self.assertEqual([entry["name"] for entry in client.json("list")["models"]],
                         ["org/slow"])
        self.assert_round_trip(client, model)
