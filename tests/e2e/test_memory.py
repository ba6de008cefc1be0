"""Memory is bounded by settings, not by the model's size."""

import harness
import models

GIBIBYTE = 1 << 30


class Memory(harness.EndToEndTest):

    def test_a_model_larger_than_the_bound(self):
        model = models.write_large_model(
            self.path / "m", 12, rows=6144, columns=8192)
        self.assertGreater(harness.total_bytes(model), GIBIBYTE)
        daemon, client = self.start()
        for command in (
                ("upload", model, "org/m"),
                ("download", "org/m", self.path / "int8", "--precision", "int8"),
                ("download", "org/m", self.path / "out")):
            with self.subTest(command=command[0]):
                self.assertLess(client.peak_resident_bytes_of(*command), GIBIBYTE)
                self.assertLess(daemon.peak_resident_bytes(), GIBIBYTE)
        self.assert_same_files(model, self.path / "out")
