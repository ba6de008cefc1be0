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
        # A download has been accepted when its first message is there, an
        # upload when it stores something; one that comes too late says so.
        begun = [raw_calls.download(channel, "org/stored") for _ in range(4)]
        firsts = [next(call) for call in begun]
        uploads = [client.start("upload", model, f"org/sent{i}")
                   for i, model in enumerate(sent)]
        self.wait_until(lambda: list((daemon.data_dir / "staging").glob("*.sst")),
                        what="an upload that stores")
        daemon.process.send_signal(signal.SIGTERM)
        self.wait_until(lambda: self.health(channel) == NOT_SERVING,
                        what="NOT_SERVING")
        with self.assertRaises(grpc.RpcError) as raised:
            next(raw_calls.download(channel, "org/stored"))
        self.assertEqual(raised.exception.code(), grpc.StatusCode.UNAVAILABLE)
        streams = {first + b"".join(call) for first, call in zip(firsts, begun)}
        self.assertEqual(len(streams), 1, "downloads differ")
        self.assertGreater(len(streams.pop()), 40_000_000)
        acknowledged = []
        for i, process in enumerate(uploads):
            _, errors = process.communicate(timeout=300)
            if process.returncode == 0:
                acknowledged.append(i)
            else:
                self.assertIn("shutting down", errors)
        self.assertTrue(acknowledged)
        self.assertEqual(daemon.process.wait(60), 0)
        _, client = self.start()
        self.assertEqual([entry["name"] for entry in client.json("list")["models"]],
                         [f"org/sent{i}" for i in acknowledged] + ["org/stored"])
        for i in acknowledged:
            client.json("download", f"org/sent{i}", self.path / f"again{i}")
            self.assert_same_files(sent[i], self.path / f"again{i}")

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
