"""The daemon's memory is bounded by its settings, not by the model's size."""

import os

import harness
import models

GIBIBYTE = 1 << 30


class Memory(harness.EndToEndTest):

    def client_peak_bytes(self, client, *arguments):
        process = client.start(*arguments)
        process.stdout.close()
        stderr = process.stderr.read()
        process.stderr.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0, stderr)
        return usage.ru_maxrss * 1024

    def test_a_model_larger_than_the_bound(self):
        model = models.write_large_model(
            self.path / "m", 12, rows=8192, columns=8192)
        self.assertGreater(harness.total_bytes(model), 1.4 * GIBIBYTE)
        daemon, client = self.start()
        self.assertLess(self.client_peak_bytes(client, "upload", model, "org/m"),
                        GIBIBYTE)
        self.assertLess(daemon.peak_resident_bytes(), GIBIBYTE)
        self.assertLess(self.client_peak_bytes(
            client, "download", "org/m", self.path / "int8", "--precision", "int8"),
            GIBIBYTE)
        self.assertLess(self.client_peak_bytes(
            client, "download", "org/m", self.path / "out"), GIBIBYTE)
        self.assert_same_files(model, self.path / "out")
        self.assertLess(daemon.peak_resident_bytes(), GIBIBYTE)
