"""Bad input gets one clear sentence and leaves nothing behind."""

import json
import struct

import grpc

import harness
import models
import raw_calls
import safetensors_file as sf

ONE_WEIGHT = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}


def file_of(header, data=b"\0" * 16, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(**changes):
    return {**ONE_WEIGHT, **changes}


BAD_FILES = {
    "empty file": b"",
    "shorter than the length field": b"\x01\x02",
    "header cut off": file_of({"w.weight": ONE_WEIGHT})[:30],
    "header length near 2^64": file_of({"w.weight": ONE_WEIGHT}, length=2**64 - 8),
    "header length 2^63": file_of({"w.weight": ONE_WEIGHT}, length=2**63),
    "header longer than the limit": file_of({"w.weight": ONE_WEIGHT}, length=100_000_001),
    "header longer than the file": file_of({"w.weight": ONE_WEIGHT}, length=1000),
    "header is not JSON": file_of(b"{this is not json}"),
    "header is an array": file_of(b"[1, 2]"),
    "header nested a million deep": file_of(b'{"a":' * 100_000),
    "offsets reversed": file_of({"w.weight": entry(data_offsets=[16, 0])}),
    "offsets overlapping": file_of({
        "a.weight": entry(), "b.weight": entry(data_offsets=[8, 24])}, b"\0" * 24),
    "offsets out of range": file_of({"w.weight": entry(data_offsets=[0, 1 << 40],
                                                       shape=[1 << 20, 1 << 18])}),
    "negative offset": file_of({"w.weight": entry(data_offsets=[-16, 0])}),
    "hole before the first tensor": file_of(
        {"w.weight": entry(data_offsets=[8, 24])}, b"\0" * 24),
    "bytes after the last tensor": file_of({"w.weight": ONE_WEIGHT}, b"\0" * 20),
    "data cut off": file_of({"w.weight": ONE_WEIGHT}, b"\0" * 15),
    "shape that does not fit": file_of({"w.weight": entry(shape=[2, 3])}),
    "shape product that overflows": file_of(
        {"w.weight": entry(shape=[1 << 32, 1 << 32], data_offsets=[0, 0])}, b""),
    "shape product that wraps to fit": file_of(
        {"w.weight": entry(shape=[(1 << 62) + 1, 4])}),
    "negative dimension": file_of({"w.weight": entry(shape=[-2, -2])}),
    "fractional dimension": file_of({"w.weight": entry(shape=[2.0, 2])}),
    "unknown dtype": file_of({"w.weight": entry(dtype="F12")}),
    "dtype is a number": file_of({"w.weight": entry(dtype=3)}),
    "duplicate names": file_of(
        b'{"w": {"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},'
        b' "w": {"dtype":"F32","shape":[2,2],"data_offsets":[16,32]}}', b"\0" * 32),
    "missing shape": file_of({"w.weight": {"dtype": "F32", "data_offsets": [0, 16]}}),
    "metadata that is not text": file_of({"__metadata__": {"a": 1},
                                          "w.weight": ONE_WEIGHT}),
}


class BadInput(harness.EndToEndTest):

    def setUp(self):
        super().setUp()
        self.daemon, self.client = self.start()

    def assert_refused(self, model, *fragments):
        done = self.client.run("upload", model, "org/bad")
        message = self.assert_fails(done, *fragments)
        self.assertLess(len(message), 1000)
        self.assert_nothing_stored(self.client)
        return message

    def assert_server_refuses(self, files, *fragments):
        """Without the client, which sends nothing that the server refuses."""
        with raw_calls.new_channel(self.daemon.address) as channel:
            error = raw_calls.upload(
                channel, raw_calls.upload_messages("org/bad", files)).exception()
        self.assertEqual(error.code(), grpc.StatusCode.INVALID_ARGUMENT, error)
        for fragment in fragments:
            self.assertIn(fragment, error.details())
        self.assertLess(len(error.details()), 1000)
        self.assert_nothing_stored(self.client)

    def test_the_server_refuses_bad_safetensors(self):
        before = harness.data_bytes(self.daemon)
        good = sf.encode(models.small_tensors("BF16"))
        for what, content in BAD_FILES.items():
            with self.subTest(what):
                self.assert_server_refuses(
                    {"a.safetensors": good, "broken.safetensors": content},
                    "broken.safetensors")
        self.wait_until(lambda: harness.data_bytes(self.daemon) < before + 200_000,
                        what="the space of the refused uploads")
        self.assertIsNone(self.daemon.process.poll(), "qstored died")

    def test_the_client_keeps_bad_safetensors_as_they_are(self):
        model = models.write_model(
            self.path / "m", models.small_tensors("BF16"),
            files={f"broken-{number:02}.safetensors": content
                   for number, content in enumerate(BAD_FILES.values())})
        done = self.client.run("upload", model, "org/model")
        self.assertEqual(done.returncode, 0, done.stderr)
        notes = done.stderr.splitlines()
        self.assertEqual(len(notes), len(BAD_FILES))
        for number, note in enumerate(notes):
            self.assertRegex(note, f"^note: .*broken-{number:02}.*; storing its bytes")
            self.assertLess(len(note), 1000)
        for precision in ("original", "int8"):
            target = self.path / precision
            self.client.json("download", "org/model", target, "--precision", precision)
            for number, content in enumerate(BAD_FILES.values()):
                path = f"broken-{number:02}.safetensors"
                self.assertEqual((target / path).read_bytes(), content)
        self.assert_same_files(model, self.path / "original")
        self.client.json("verify", "org/model")

    def test_a_good_model_is_taken_after_a_bad_one(self):
        self.test_one_bad_file_after_large_good_ones()
        model = models.write_model(self.path / "good", models.small_tensors("BF16"))
        self.assert_round_trip(self.client, model)

    def test_one_bad_file_after_large_good_ones(self):
        before = harness.data_bytes(self.daemon)
        self.assert_server_refuses(
            {"m.safetensors": sf.encode(models.small_tensors("BF16", 2500, 1500)),
             "z.safetensors": BAD_FILES["offsets reversed"]}, "z.safetensors")
        self.wait_until(lambda: harness.data_bytes(self.daemon) < before + 200_000,
                        what="the space of the refused upload")

    def test_pointers_of_git_lfs(self):
        pointer = (b"version https://git-lfs.github.com/spec/v1\n"
                   b"oid sha256:" + b"0" * 64 + b"\nsize 133466304\n")
        for name in ("model.safetensors", "pytorch_model.bin"):
            model = models.write_model(self.path / name)
            (model / name).write_bytes(pointer)
            self.assert_refused(model, name, "git lfs pull", "--force")
        done = self.client.run("upload", model, "org/forced", "--force")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("note: ", done.stderr)
        self.client.json("download", "org/forced", self.path / "out")
        self.assert_same_files(model, self.path / "out")

    def test_missing_shards(self):
        model = models.write_sharded_model(self.path / "m", models.small_tensors("BF16"))
        (model / "model-00002-of-00003.safetensors").unlink()
        self.assert_refused(model, "model.safetensors.index.json",
                            '"model-00002-of-00003.safetensors"', "--force")
        self.assert_round_trip_with_note(model, "model-00002", "--force")

    def test_unreadable_index(self):
        model = models.write_model(self.path / "m", files={
            "model.safetensors.index.json": b""})
        self.assert_round_trip_with_note(model, "index.json")
        done = self.client.run("download", "org/model", self.path / "int8",
                               "--precision", "int8")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, "^note: .*index.json[^\\n]*\\n$")

    def assert_round_trip_with_note(self, model, fragment, *options):
        done = self.client.run("upload", model, "org/model", *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, f"^note: .*{fragment}[^\n]*\n$")
        self.client.json("download", "org/model", self.path / "out")
        self.assert_same_files(model, self.path / "out")

    def test_empty_directory(self):
        (self.path / "empty").mkdir()
        self.assert_refused(self.path / "empty", "empty")

    def test_directory_that_is_not_there(self):
        self.assert_refused(self.path / "nowhere", "nowhere")

    def test_file_that_is_not_safetensors(self):
        (self.path / "weights.bin").write_bytes(b"x" * 100)
        self.assert_refused(self.path / "weights.bin", "weights.bin")

    def test_bad_names(self):
        model = models.write_model(self.path / "m")
        for name in ("../m", "/org/m", "org/../m", "a/b/c/d/e/f", "org/m:", "org/ü",
                     "org/m:ta/g", "", "org/m@abcdef", "x" * 1000):
            with self.subTest(name):
                done = self.client.run("upload", model, name)
                self.assertGreater(done.returncode, 0)
                self.assertTrue(done.stderr.strip())
        self.assert_nothing_stored(self.client)

    def test_links_out_of_the_directory(self):
        model = models.write_model(self.path / "m")
        (self.path / "secret").write_text("secret")
        (model / "dangling").symlink_to(self.path / "gone")
        self.assert_refused(model, "dangling")

    def test_download_leaves_nothing_when_the_directory_is_taken(self):
        model = models.write_model(self.path / "m", models.small_tensors("BF16"))
        self.client.json("upload", model, "org/m")
        (self.path / "taken").write_text("a file")
        done = self.client.run("download", "org/m", self.path / "taken")
        self.assert_fails(done, "taken")
        self.assertEqual((self.path / "taken").read_text(), "a file")
