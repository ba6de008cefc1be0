"""What is quantized and why, what INT8 directories say, and when there is none."""

import json

import numpy as np

import harness
import models
import safetensors_file as sf

MIXTURE = {
    "model.embed_tokens.weight": (64, 32),
    "model.layers.0.self_attn.q_proj.weight": (32, 32),
    "model.layers.0.mlp.gate.weight": (4, 32),
    "model.layers.0.mlp.experts.0.up_proj.weight": (48, 32),
    "model.layers.0.mlp.experts.1.up_proj.weight": (48, 32),
    "model.layers.1.mlp.experts.gate_up_proj": (2, 32, 48),
    "model.norm.weight": (32,),
    "projector.weight": (32, 30),
}


def mixture(dtype="BF16"):
    return {name: models.gaussian(shape, dtype, seed)
            for seed, (name, shape) in enumerate(MIXTURE.items())}


class Quantization(harness.EndToEndTest):

    def setUp(self):
        super().setUp()
        self.daemon, self.client = self.start()

    def upload(self, model, name="org/m", *flags):
        done = self.client.run("upload", model, name, *flags)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def quantized(self, name="org/m"):
        return {tensor["name"] for tensor in self.client.json("show", name)["tensors"]
                if tensor["quantized"]}

    def int8(self, name="org/m", *flags):
        target = self.path / f"{name.replace('/', '-')}-int8{len(flags)}"
        self.client.json("download", name, target, "--precision", "int8", *flags)
        return target

    def test_dry_run_tells_for_each_tensor_and_sends_nothing(self):
        model = models.write_model(self.path / "m", mixture(), {
            "model_type": "qwen3_moe", "vocab_size": 64})
        plan = self.client.json("upload", model, "org/m", "--dry-run")
        rules = {tensor["name"]: tensor["rule"] for tensor in plan["tensors"]}
        self.assertEqual(rules, {
            "model.embed_tokens.weight": "embedding",
            "model.layers.0.self_attn.q_proj.weight": "linear",
            "model.layers.0.mlp.gate.weight": "router",
            "model.layers.0.mlp.experts.0.up_proj.weight": "linear",
            "model.layers.0.mlp.experts.1.up_proj.weight": "linear",
            "model.layers.1.mlp.experts.gate_up_proj": "rank",
            "model.norm.weight": "rank",
            "projector.weight": "outside",
        })
        self.assertTrue(all(tensor["reason"] for tensor in plan["tensors"]))
        text = self.client.run("upload", model, "org/m", "--dry-run").stdout
        self.assertIn("it is a router or gate", text)
        self.assertEqual(self.client.json("list")["models"], [])
        self.upload(model)
        self.assertEqual(self.quantized(),
                         {name for name, rule in rules.items() if rule == "linear"})

    def test_directories_that_others_read_stay_as_they_are(self):
        others = {
            "adapter": {"adapter_config.json": b"{}",
                        "config.json": b'{"model_type": "bert"}'},
            "diffusers": {"config.json": b'{"_class_name": "UNet2DConditionModel"}'},
            "dense": {"config.json": b'{"in_features": 32}'},
            "quantized": {"config.json": b'{"model_type": "a"}',
                          "hf_quant_config.json": b"{}"},
        }
        for name, files in others.items():
            with self.subTest(name):
                model = models.write_model(self.path / name, files=files)
                done = self.upload(model, f"org/{name}")
                self.assertEqual(done.stderr.count("note: "), 1, done.stderr)
                self.assertIn("there is no INT8", done.stdout)
                self.assertEqual(self.quantized(f"org/{name}"), set())

    def test_a_clear_no_and_the_original_where_it_is_allowed(self):
        model = models.write_model(self.path / "m", files={"adapter_config.json": b"{}"})
        self.upload(model)
        target = self.path / "out"
        done = self.client.run("download", "org/m", target, "--precision", "int8")
        self.assertEqual(done.returncode, 1)
        self.assertIn("has no INT8", done.stderr)
        self.assertFalse(target.exists())
        result = self.client.json("download", "org/m", target, "--precision", "int8",
                                  "--allow-original")
        self.assertEqual((result["precision"], result["format"]), ("original", None))
        self.assert_same_files(model, target)

    def test_a_lone_file_is_quantized_when_asked(self):
        directory = models.write_model(self.path / "m")
        file = directory / "model.safetensors"
        done = self.upload(file, "org/left")
        self.assertIn("no config.json", done.stderr)
        self.assertEqual(self.quantized("org/left"), set())
        self.upload(file, "org/asked", "--quantize")
        self.assertEqual(self.quantized("org/asked"), set(models.LINEAR_NAMES))
        found, _ = sf.read(self.int8("org/asked") / "model.safetensors")
        self.assertEqual(found[models.LINEAR_NAMES[0]].dtype, "I8")

    def test_packed_codes_are_the_same_codes(self):
        model = models.write_model(self.path / "m", mixture(), {"model_type": "qwen3_moe"})
        self.upload(model, "org/m", "--exclude", "*.q_proj.*")
        plain, _ = sf.read(self.int8() / "model.safetensors")
        target = self.int8("org/m", "--format", "pack-quantized")
        packed, _ = sf.read(target / "model.safetensors")
        for name in self.quantized():
            rows, columns = MIXTURE[name]
            codes = np.frombuffer(plain[name].raw, np.uint8).reshape(rows, columns)
            words = np.frombuffer(packed[f"{name}_packed"].raw, np.uint8).reshape(rows, -1)
            self.assertEqual(packed[f"{name}_packed"].dtype, "I32")
            np.testing.assert_array_equal(words[:, :columns] ^ 0x80, codes)
            self.assertEqual(packed[f"{name}_shape"].raw,
                             np.array([rows, columns], "<i8").tobytes())
            # Of experts in their own type, to the nearest.
            self.assertEqual(packed[f"{name}_scale"].dtype, "BF16")
            scales = np.frombuffer(plain[f"{name}_scale"].raw, "<f4")
            rounded = sf.to_f32(packed[f"{name}_scale"]).ravel()
            np.testing.assert_allclose(rounded, scales, rtol=2 ** -8)
        scheme = json.loads((target / "config.json").read_text())["quantization_config"]
        self.assertEqual(scheme["format"], "pack-quantized")
        self.assertIsNone(scheme["config_groups"]["group_0"]["input_activations"])

    def test_rows_that_do_not_fill_words(self):
        tensors = {"layers.0.odd.weight": models.gaussian((9, 7), "F32")}
        self.upload(models.write_model(self.path / "m", tensors))
        plain, _ = sf.read(self.int8() / "model.safetensors")
        packed, _ = sf.read(
            self.int8("org/m", "--format", "pack-quantized") / "model.safetensors")
        words = np.frombuffer(packed["layers.0.odd.weight_packed"].raw, np.uint8)
        self.assertEqual(packed["layers.0.odd.weight_packed"].shape, (9, 2))
        codes = np.frombuffer(plain["layers.0.odd.weight"].raw, np.uint8).reshape(9, 7)
        np.testing.assert_array_equal(words.reshape(9, 8)[:, :7] ^ 0x80, codes)
        self.assertTrue((words.reshape(9, 8)[:, 7] == 0).all())

    def test_the_config_keeps_its_text(self):
        text = ('{"model_type": "mamba2", "limit": [0.0, Infinity],\n'
                ' "large": 1000000000000000019884624838656, "b": 1.50,\n'
                ' "text_config": {"model_type": "t"}}')
        model = models.write_model(self.path / "m")
        (model / "config.json").write_text(text)
        self.upload(model)
        written = (self.int8() / "config.json").read_text()
        self.assertTrue(written.startswith(text.removesuffix("}}")))
        config = json.loads(written)
        self.assertEqual(config["text_config"]["quantization_config"],
                         config["quantization_config"])

    def test_weights_below_the_config_by_its_index(self):
        model = models.write_model(self.path / "m")
        (model / "weights").mkdir()
        (model / "model.safetensors").rename(model / "weights" / "part.safetensors")
        (model / "model.safetensors.index.json").write_text(json.dumps({
            "metadata": {"total_size": 1},
            "weight_map": dict.fromkeys(models.small_tensors(), "weights/part.safetensors")}))
        models.write_model(model / "mtp")
        (model / "mtp" / "config.json").unlink()
        done = self.upload(model)
        self.assertIn("mtp/", done.stderr)
        target = self.int8()
        index = json.loads((target / "model.safetensors.index.json").read_text())
        self.assertEqual(index["weight_map"][f"{models.LINEAR_NAMES[0]}_scale"],
                         "weights/part.safetensors")
        found, _ = sf.read(target / "weights" / "part.safetensors")
        self.assertEqual(index["metadata"]["total_size"],
                         sum(len(tensor.raw) for tensor in found.values()))
        self.assert_same_files(model / "mtp", target / "mtp")

    def test_patterns_that_fit_nothing_are_told(self):
        model = models.write_model(self.path / "m")
        done = self.upload(model, "org/m", "--exclude", "*.bin")
        self.assertIn('the pattern "*.bin" fits no tensor', done.stderr)
        self.assertIn("2 tensors quantized", done.stdout)
