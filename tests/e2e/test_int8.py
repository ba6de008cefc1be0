"""What an INT8 download is: codes and scales an engine can use, nothing more."""

import json

import numpy as np

import harness
import models
import safetensors_file as sf

EXPECTED_SCHEME = {
    "quant_method": "compressed-tensors", "format": "int-quantized",
    "quantization_status": "compressed", "kv_cache_scheme": None,
    "global_compression_ratio": None,
}
EXPECTED_GROUP = {
    "targets": ["Linear"], "output_activations": None,
    "weights": {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel",
                "dynamic": False, "group_size": None},
    "input_activations": {"num_bits": 8, "type": "int", "symmetric": True,
                          "strategy": "token", "dynamic": True},
}


class Int8Download(harness.EndToEndTest):

    def setUp(self):
        super().setUp()
        self.daemon, self.client = self.start()

    def download_int8(self, model, *flags):
        self.client.json("upload", model, "org/m", *flags)
        target = self.path / "int8"
        result = self.client.json("download", "org/m", target, "--precision", "int8",
                                  "--format", "compressed-tensors")
        return target, result

    def assert_quantized(self, original, codes, scales):
        """Codes are the nearest: no weight is further than half a step off."""
        weights = sf.to_f32(original).astype(np.float64)
        rows, columns = weights.shape
        self.assertEqual((codes.dtype, codes.shape), ("I8", (rows, columns)))
        self.assertEqual((scales.dtype, scales.shape), ("F32", (rows, 1)))
        q = np.frombuffer(codes.raw, np.int8).reshape(rows, columns).astype(np.float64)
        s = np.frombuffer(scales.raw, "<f4").reshape(rows, 1).astype(np.float64)
        self.assertTrue((np.abs(weights - q * s) <= s / 2 * (1 + 1e-5)).all())
        self.assertTrue((np.abs(q).max(1) >= 127).all(), "a row leaves range unused")

    def test_codes_scales_and_all_else(self):
        for dtype in ("F32", "F16", "BF16"):
            with self.subTest(dtype=dtype):
                tensors = models.small_tensors(dtype)
                files = {"tokenizer.json": b'{"x": 1}', "1_Pooling/config.json": b"{}",
                         "empty": b""}
                model = models.write_model(self.path / dtype, tensors, files=files)
                self.client.json("upload", model, f"org/{dtype}")
                target = self.path / f"{dtype}-int8"
                self.client.json("download", f"org/{dtype}", target, "--precision", "int8")
                found, metadata = sf.read(target / "model.safetensors")
                self.assertEqual(metadata, {"format": "pt"})
                expected_names = set(tensors) | {
                    f"{name}_scale" for name in models.LINEAR_NAMES}
                self.assertEqual(set(found), expected_names)
                for name, tensor in tensors.items():
                    if name in models.LINEAR_NAMES:
                        self.assert_quantized(tensor, found[name], found[f"{name}_scale"])
                    else:
                        self.assertEqual(found[name], tensor, name)
                for path, content in files.items():
                    self.assertEqual((target / path).read_bytes(), content)
                self.assertEqual(set(harness.sha256_by_path(target)),
                                 set(harness.sha256_by_path(model)))

    def test_config_names_the_scheme_and_every_plain_matrix(self):
        tensors = models.small_tensors("BF16")
        tensors["lm_head.weight"] = models.gaussian((200, 64), "BF16")
        tensors["classifier.out_proj.weight"] = models.gaussian((8, 64), "BF16")
        settings = {"model_type": "bert", "hidden_size": 64, "architectures": ["A"],
                    "note": "ü", "layer_norm_eps": 1e-12}
        model = models.write_model(self.path / "m", tensors, settings)
        target, _ = self.download_int8(model, "--exclude", "classifier.*")
        config = json.loads((target / "config.json").read_text())
        scheme = config.pop("quantization_config")
        self.assertEqual(config, settings)
        self.assertEqual({key: scheme[key] for key in EXPECTED_SCHEME}, EXPECTED_SCHEME)
        self.assertEqual(scheme["config_groups"], {"group_0": EXPECTED_GROUP})
        self.assertLessEqual({"lm_head", "classifier.out_proj"}, set(scheme["ignore"]))
        self.assertNotIn("encoder.layer.0.query", scheme["ignore"])
        found, _ = sf.read(target / "model.safetensors")
        self.assertEqual(found["lm_head.weight"], tensors["lm_head.weight"])
        self.assertEqual(found["classifier.out_proj.weight"],
                         tensors["classifier.out_proj.weight"])

    def test_no_residual_byte_is_received(self):
        model = models.write_model(self.path / "m", models.small_tensors("F32", 512, 256))
        target, int8 = self.download_int8(model)
        original = self.client.json("download", "org/m", self.path / "original")
        self.assertEqual(int8["received_bytes"]["residual"], 0)
        self.assertGreater(int8["received_bytes"]["int8"], 0)
        self.assertGreater(original["received_bytes"]["residual"], 0)
        saved = original["bytes_received"] - int8["bytes_received"]
        self.assertGreaterEqual(saved, original["received_bytes"]["residual"] // 2)
        weights = sum(int(np.prod(models.small_tensors("F32", 512, 256)[name].shape))
                      for name in models.LINEAR_NAMES)
        self.assertLess(int8["received_bytes"]["int8"], 1.05 * weights)

    def test_sharded_as_the_original(self):
        tensors = {f"layer.{i}.proj.weight": models.gaussian((64, 48), "BF16", i)
                   for i in range(7)}
        tensors["norm.weight"] = models.gaussian((48,), "BF16")
        model = models.write_sharded_model(self.path / "m", tensors)
        target, _ = self.download_int8(model)
        self.assertEqual(set(harness.sha256_by_path(target)),
                         set(harness.sha256_by_path(model)))
        index = json.loads((target / "model.safetensors.index.json").read_text())
        before = json.loads((model / "model.safetensors.index.json").read_text())
        total = 0
        for shard in sorted(target.glob("*.safetensors")):
            found, _ = sf.read(shard)
            for name, tensor in found.items():
                self.assertEqual(index["weight_map"][name], shard.name, name)
                total += len(tensor.raw)
                if name.endswith("_scale"):
                    name = name[:-len("_scale")]
                self.assertEqual(before["weight_map"][name], shard.name)
        self.assertEqual(index["metadata"]["total_size"], total)

    def test_sliced_coder_gives_the_same_files_in_less_space(self):
        model = models.write_model(self.path / "m", models.small_tensors("BF16", 320, 256))
        shown = {}
        for coder in ("zstd", "sliced"):
            self.client.json("upload", model, f"org/{coder}", "--int8-coder", coder)
            self.client.json("download", f"org/{coder}", self.path / coder)
            self.assert_same_files(model, self.path / coder)
            self.client.json("download", f"org/{coder}", self.path / f"{coder}-int8",
                             "--precision", "int8")
            self.assertTrue(self.client.json("verify", f"org/{coder}")["ok"])
            shown[coder] = self.client.json("show", f"org/{coder}")
            for tensor in shown[coder]["tensors"]:
                self.assertEqual(tensor["int8_coder"], coder if tensor["quantized"] else None)
        self.assert_same_files(self.path / "zstd-int8", self.path / "sliced-int8")
        self.assertLess(shown["sliced"]["stored_bytes"]["int8"],
                        shown["zstd"]["stored_bytes"]["int8"])
        self.assertNotEqual(shown["sliced"]["revision"], shown["zstd"]["revision"])

    def test_quantizer_none_keeps_everything_plain(self):
        model = models.write_model(self.path / "m", models.small_tensors("BF16"))
        self.client.json("upload", model, "org/m", "--quantizer", "none")
        show = self.client.json("show", "org/m")
        self.assertFalse(any(tensor["quantized"] for tensor in show["tensors"]))
        self.client.json("download", "org/m", self.path / "out")
        self.assert_same_files(model, self.path / "out")

    def test_include_narrows_what_is_quantized(self):
        model = models.write_model(self.path / "m", models.small_tensors("BF16"))
        self.client.json("upload", model, "org/m", "--include", "*.query.weight")
        quantized = [tensor["name"] for tensor in
                     self.client.json("show", "org/m")["tensors"] if tensor["quantized"]]
        self.assertEqual(quantized, ["encoder.layer.0.query.weight"])

    def test_zero_rows(self):
        weights = sf.to_f32(models.gaussian((16, 64), "F32")).copy()
        weights[3] = 0
        tensors = {"a.proj.weight": sf.from_f32(weights, "BF16")}
        target, _ = self.download_int8(models.write_model(self.path / "m", tensors))
        found, _ = sf.read(target / "model.safetensors")
        q = np.frombuffer(found["a.proj.weight"].raw, np.int8).reshape(16, 64)
        s = np.frombuffer(found["a.proj.weight_scale"].raw, "<f4")
        self.assertTrue((q[3] == 0).all())
        self.assertTrue(np.isfinite(s).all())
