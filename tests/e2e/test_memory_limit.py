"""--memory-limit holds with many clients, slow ones among them."""

import subprocess

import harness
import models
import raw_calls

LIMIT_MEBIBYTES = 512
SLOW_READERS = 50


class MemoryLimit(harness.EndToEndTest):

    def test_slow_readers_and_uploads(self):
        # Float32 takes the codecs most memory, and its residuals are the
        # largest values.
        for number in range(4):
            models.write_large_model(self.path / f"m{number}", 4, dtype="F32",
                                     rows=4096 - number)
        daemon, client = self.start("--memory-limit", f"{LIMIT_MEBIBYTES}MiB")
        # gRPC cuts off calls, whichever, when its part is used up.
        client.retry_seconds = 60
        client.json("upload", self.path / "m0", "org/m0")
        slow = []
        for _ in range(SLOW_READERS):
            channel = raw_calls.new_channel(daemon.address)
            self.addCleanup(channel.close)
            slow.append(raw_calls.download(channel, "org/m0"))
        for call in slow:
            next(call)  # and nothing more
        uploads = [client.start("upload", self.path / f"m{number}", f"org/u{number}")
                   for number in range(4)]
        client.json("download", "org/m0", self.path / "out")
        self.assert_same_files(self.path / "m0", self.path / "out")
        client.json("verify", "org/m0")
        for process in uploads:
            _, errors = process.communicate(timeout=300)
            self.assertEqual(process.returncode, 0, errors)
        for call in slow:
            self.assertTrue(call.is_active(), "a slow reader was dropped")
            call.cancel()
        peak = daemon.peak_resident_bytes()
        print(f"peak {peak / (1 << 20):.0f} MiB of {LIMIT_MEBIBYTES}", end=" ",
              flush=True)
        self.assertLess(peak, LIMIT_MEBIBYTES << 20)

    def test_what_does_not_fit_is_refused_at_start(self):
        for flags in (("--memory-limit", "200MiB"),
                      ("--memory-limit", "512MiB", "--ingest-memory", "480MiB"),
                      ("--memory-limit", "512MiB", "--max-uploads", "8")):
            done = subprocess.run(
                [harness.BIN_DIR / "qstored", "--data-dir", self.data_dir,
                 "--listen", "127.0.0.1:0", *flags],
                capture_output=True, text=True, timeout=30)
            self.assertEqual(done.returncode, 2)
            message = self.assert_fails(done)
            self.assertRegex(message, "--memory-limit is|--ingest-memory is")
