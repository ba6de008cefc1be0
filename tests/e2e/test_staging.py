"""Nothing but the revision's files appears, whatever lies where they are staged."""

import os

import harness
import models
import raw_calls
import safetensors_file as sf


class Staging(harness.EndToEndTest):

    def setUp(self):
        super().setUp()
        self.daemon, self.client = self.start()
        self.model = models.write_model(
            self.path / "good", files={"sub/tokenizer.json": b"{}"})
        self.revision = self.client.json("upload", self.model, "org/good")["revision"]
        self.outside = self.path / "outside"
        self.outside.mkdir()
        (self.outside / "tokenizer.json").write_bytes(b"precious")
        (self.outside / "file").write_bytes(b"precious")

    def plant(self, staging, precision="original"):
        """What a directory that came from elsewhere (an archive, say) could hold."""
        staging.mkdir(parents=True)
        (staging / ".qstore-journal").write_text(
            f"qstore download 3 of org/good@{self.revision} in {precision}\n")
        (staging / "modeling_evil.py").write_text("print('evil')")
        (staging / "deep" / "er").mkdir(parents=True)
        (staging / "deep" / "er" / "pytorch_model.bin").write_bytes(b"pickle")
        os.symlink(self.outside, staging / "sub")
        os.link(self.outside / "file", staging / "config.json")
        os.mkfifo(staging / "model.safetensors")

    def assert_untouched(self):
        for name in ("tokenizer.json", "file"):
            self.assertEqual((self.outside / name).read_bytes(), b"precious")

    def test_a_new_directory(self):
        self.plant(self.path / "hub" / ".good.qstore-partial-1")
        self.client.json("download", "org/good", self.path / "hub" / "good",
                         timeout_seconds=60)
        self.assert_same_files(self.model, self.path / "hub" / "good")
        self.assertFalse((self.path / "hub" / "good" / "sub").is_symlink())
        self.assert_untouched()
        self.assertEqual(os.listdir(self.path / "hub"), ["good"])

    def test_an_existing_directory(self):
        target = self.path / "there"
        self.plant(target / ".qstore-partial-1")
        self.client.json("download", "org/good", target, timeout_seconds=60)
        self.assert_same_files(self.model, target)
        self.assert_untouched()

    def test_int8(self):
        self.plant(self.path / "hub" / ".good.qstore-partial-1",
                   "int8 compressed-tensors")
        self.client.json("download", "org/good", self.path / "hub" / "good",
                         "--precision", "int8", timeout_seconds=60)
        files = {str(path.relative_to(self.path / "hub"))
                 for path in (self.path / "hub").rglob("*") if path.is_file()}
        self.assertEqual(files, {"good/config.json", "good/model.safetensors",
                                 "good/sub/tokenizer.json"})
        sf.read(self.path / "hub" / "good" / "model.safetensors")
        self.assert_untouched()

    def test_no_model_may_have_files_of_such_names(self):
        for path in (".good.qstore-partial-1/evil.py", ".qstore-journal",
                     "sub/.qstore-partial-2/x/y"):
            with self.subTest(path):
                model = models.write_model(self.path / path.replace("/", "_"),
                                           files={path: b"x"})
                done = self.client.run("upload", model, "evil/plant")
                self.assert_fails(done, "remove or rename it")
                channel = raw_calls.new_channel(self.daemon.address)
                self.addCleanup(channel.close)
                call = raw_calls.upload(channel, iter([
                    raw_calls.begin_message("evil/plant"),
                    raw_calls.file_message(path, 0), raw_calls.end_message(1, 0)]))
                self.assertIn("remove or rename it", call.exception().details())
        self.assertEqual(len(self.client.json("list")["models"]), 1)
