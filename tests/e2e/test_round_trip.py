"""Every file comes back byte for byte, whatever is in it."""

import json
import os
import struct

import numpy as np

import harness
import models
import safetensors_file as sf


class RoundTrip(harness.EndToEndTest):

    def setUp(self):
        super().setUp()
        self.daemon, self.client = self.start()

    def test_float_dtypes(self):
        for dtype in ("F32", "F16", "BF16"):
            with self.subTest(dtype=dtype):
                model = models.write_model(self.path / dtype, models.small_tensors(dtype))
                upload = self.assert_round_trip(self.client, model, f"org/{dtype}")
                self.assertGreater(upload["bytes_sent"], 0)

    def test_bf16_values_in_wider_types(self):
        for dtype in ("F16", "F32"):
            with self.subTest(dtype=dtype):
                tensors = {
                    name: sf.from_f32(sf.to_f32(tensor), dtype)
                    for name, tensor in models.small_tensors("BF16").items()}
                model = models.write_model(self.path / dtype, tensors)
                self.assert_round_trip(self.client, model, f"org/{dtype}")

    def test_every_dtype_in_one_file(self):
        tensors = {f"t.{dtype}.weight": models.raw_tensor(dtype, (32, 17), seed)
                   for seed, dtype in enumerate(sf.ITEM_BITS)}
        self.assert_round_trip(
            self.client, models.write_model(self.path / "m", tensors))
        self.client.json("download", "org/model", self.path / "int8",
                         "--precision", "int8")
        in_int8, _ = sf.read(self.path / "int8" / "model.safetensors")
        for name, tensor in tensors.items():
            if tensor.dtype not in ("F32", "F16", "BF16"):
                self.assertEqual(in_int8[name], tensor)

    def test_headers_that_others_write(self):
        weight = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
        headers = {
            "metadata is null": {"__metadata__": None, "a.weight": weight},
            "metadata only": {"__metadata__": {"key": "value"}},
            "fields of others": {"a.weight": {
                **weight, "strides": [2, 1], "more": {"a": [1, {"b": None}]}}},
            "20 dimensions": {"a": {**weight, "shape": [2, 2] + [1] * 18}},
            "a name of 1406 bytes": {"m." * 700 + "weight": weight},
            "a name of 64 KiB": {"n" * 65536: weight},
        }
        for number, (what, header) in enumerate(headers.items()):
            with self.subTest(what):
                text = json.dumps(header).encode()
                content = struct.pack("<Q", len(text)) + text
                if what != "metadata only":
                    content += b"abcdefghijklmnop"
                model = models.write_model(self.path / f"m{number}", files={
                    "other.safetensors": content})
                done = self.client.run("upload", model, f"org/m{number}")
                self.assertEqual(done.returncode, 0)
                # Nothing but that engines read model.safetensors.
                self.assertRegex(done.stderr, r'\Anote: file "other.safetensors" is left as '
                                 r"it is: Transformers does not read [^\n]*\n\Z|\A\Z")
                for precision in ("original", "int8"):
                    target = self.path / f"{precision}-{number}"
                    self.client.json("download", f"org/m{number}", target,
                                     "--precision", precision)
                self.assert_same_files(model, self.path / f"original-{number}")
                found, _ = sf.read(self.path / f"int8-{number}" / "other.safetensors")
                self.assertLessEqual({*header} - {"__metadata__"}, {*found})
                self.client.json("verify", f"org/m{number}")

    def test_a_tensor_without_a_name_is_kept(self):
        text = b'{"":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}'
        model = models.write_model(self.path / "m", files={
            "other.safetensors": struct.pack("<Q", len(text)) + text + bytes(16)})
        done = self.client.run("upload", model, "org/model")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stderr, "^note: .*other.*; storing its bytes")
        self.client.json("download", "org/model", self.path / "out")
        self.assert_same_files(model, self.path / "out")

    def test_all_patterns_of_16_bits(self):
        patterns = np.arange(65536, dtype="<u2").reshape(256, 256).tobytes()
        tensors = {f"{dtype}.weight": sf.Tensor(dtype, (256, 256), patterns)
                   for dtype in ("F16", "BF16")}
        self.assert_round_trip(
            self.client, models.write_model(self.path / "m", tensors))

    def test_special_values(self):
        weights = np.full((8, 40), 0.01, np.float32)
        weights[0] = 0
        weights[1, 3] = np.inf
        weights[2, 5] = -np.inf
        weights[3, 7] = np.nan
        weights[4] = -0.0
        weights[5] = 1e-45
        weights[6, 1] = 3.4028235e38
        tensors = {f"{dtype}.proj.weight": sf.from_f32(weights, dtype)
                   for dtype in ("F32", "F16", "BF16")}
        self.assert_round_trip(
            self.client, models.write_model(self.path / "m", tensors))

    def test_edge_shapes(self):
        shapes = ((0, 5), (5, 0), (1, 1), (1, 1009), (1009, 1), (), (0,), (7,),
                  (2, 3, 4), (127, 129))
        tensors = {}
        for number, shape in enumerate(shapes):
            for dtype in ("F32", "BF16", "F16"):
                tensors[f"t{number}.{dtype}.weight"] = models.gaussian(shape, dtype, number)
        self.assert_round_trip(
            self.client, models.write_model(self.path / "m", tensors))

    def test_tensor_of_several_chunks(self):
        tensors = {"big.weight": models.gaussian((5000, 2000), "BF16")}
        self.assert_round_trip(
            self.client, models.write_model(self.path / "m", tensors))

    def test_file_without_tensors(self):
        self.assert_round_trip(self.client, models.write_model(self.path / "m", {}))

    def test_sharded_with_index(self):
        tensors = {f"layer.{i}.weight": models.gaussian((64, 48), "BF16", i)
                   for i in range(9)}
        model = models.write_sharded_model(self.path / "m", tensors)
        self.assert_round_trip(self.client, model)

    def test_nested_odd_and_empty_files(self):
        files = {
            "1_Pooling/config.json": b"{}",
            "a/b/c/d/deep.bin": os.urandom(100_000),
            "empty": b"",
            "empty.txt": b"",
            "with space.txt": b"x",
            "Zürich-中文.txt": "ü".encode(),
            "quote'\"$`.txt": b"quotes",
            "-rf": b"dash",
            ".hidden": b"h",
            "..two-dots": b"d",
        }
        model = models.write_model(self.path / "m", files=files)
        self.assert_round_trip(self.client, model)

    def test_directory_without_safetensors(self):
        model = self.path / "m"
        model.mkdir()
        (model / "vocab.txt").write_bytes(os.urandom(5_000_000))
        self.assert_round_trip(self.client, model)

    def test_unpadded_header_and_no_metadata(self):
        model = self.path / "m"
        model.mkdir()
        (model / "model.safetensors").write_bytes(
            sf.encode(models.small_tensors("F16"), None, pad=False))
        self.assert_round_trip(self.client, model)

    def test_tensors_stored_in_another_order_than_named(self):
        tensors = models.small_tensors("BF16")
        content = sf.encode(tensors)
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8:8 + length])
        text = json.dumps(dict(reversed(list(header.items()))), indent=3).encode()
        model = self.path / "m"
        model.mkdir()
        (model / "model.safetensors").write_bytes(
            len(text).to_bytes(8, "little") + text + content[8 + length:])
        self.assert_round_trip(self.client, model)

    def test_single_file(self):
        file = self.path / "weights.safetensors"
        sf.write(file, models.small_tensors("BF16"))
        self.client.json("upload", file, "org/single")
        target = self.path / "out"
        self.client.json("download", "org/single", target)
        self.assertEqual(sorted(p.name for p in target.iterdir()), ["weights.safetensors"])
        self.assertEqual((target / "weights.safetensors").read_bytes(), file.read_bytes())

    def test_precision_by_the_name_of_what_was_uploaded(self):
        model = models.write_model(self.path / "m", models.small_tensors("BF16"))
        self.client.json("upload", model, "org/m")
        self.client.json("download", "org/m", self.path / "out", "--precision", "bf16")
        self.assert_same_files(model, self.path / "out")
        done = self.client.run("download", "org/m", self.path / "no", "--precision", "fp16")
        self.assert_fails(done, "org/m", "bf16")
        self.assertFalse((self.path / "no").exists() and any((self.path / "no").iterdir()))
