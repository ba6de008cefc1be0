"""A stored pair takes the promised share of two copies, on Gaussian rows."""

import harness
import models
import safetensors_file as sf

WEIGHTS = 1024 * 1536


class StoredSize(harness.EndToEndTest):

    def percent_of_two_copies(self, tensor):
        _, client = self.start()
        model = models.write_model(self.path / "m", {"layer.proj.weight": tensor})
        self.assert_round_trip(client, model)
        (shown,) = client.json("show", "org/model")["tensors"]
        self.assertTrue(shown["quantized"])
        pair = len(tensor.raw) + WEIGHTS
        return 100 * (shown["int8_bytes"] + shown["residual_bytes"]) / pair

    def gaussian(self, dtype):
        return models.gaussian((1024, 1536), dtype)

    def test_bf16(self):
        self.assertLess(self.percent_of_two_copies(self.gaussian("BF16")), 46)

    def test_fp16(self):
        self.assertLess(self.percent_of_two_copies(self.gaussian("F16")), 59)

    def test_bf16_values_in_fp16(self):
        tensor = sf.from_f32(sf.to_f32(self.gaussian("BF16")), "F16")
        self.assertLess(self.percent_of_two_copies(tensor), 46)

    def test_bf16_values_in_fp32(self):
        tensor = sf.from_f32(sf.to_f32(self.gaussian("BF16")), "F32")
        self.assertLess(self.percent_of_two_copies(tensor), 46 * 3 / 5)
