"""A first day's mistakes end in a sentence, and nothing silently differs from what was asked."""

import concurrent.futures
import json
import os
import re
import stat
import subprocess
import time

import harness
import models
from qstore_process import clean_environment

WEIGHTS = ("int8", "residual", "plain")


class Directories(harness.EndToEndTest):
    """What a download does with a directory that has something already."""

    def setUp(self):
        super().setUp()
        self.daemon, self.client = self.start()
        self.out = self.path / "out"

    def weights_received(self, result):
        return sum(result["received_bytes"][layer] for layer in WEIGHTS)

    def test_old_weights_do_not_stay_beside_new_ones(self):
        one = models.write_model(self.path / "one")
        shards = models.write_sharded_model(self.path / "shards", models.small_tensors(seed=9))
        self.client.json("upload", one, "org/m")
        self.client.json("download", "org/m", self.out)
        (self.out / "mine.txt").write_text("mine")
        self.client.json("upload", shards, "org/m")
        done = self.client.run("download", "org/m", self.out)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('removed "model.safetensors"', done.stderr)
        (self.out / "mine.txt").unlink()
        self.assert_same_files(shards, self.out)

    def test_weights_of_others_stay_with_a_note(self):
        self.client.json("upload", models.write_model(self.path / "m"), "org/m")
        self.out.mkdir()
        (self.out / "pytorch_model.bin").write_bytes(b"another's")
        done = self.client.run("download", "org/m", self.out)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('also holds "pytorch_model.bin"', done.stderr)
        self.assertEqual((self.out / "pytorch_model.bin").read_bytes(), b"another's")

    def test_what_is_there_is_not_fetched_again(self):
        model = models.write_model(self.path / "m", models.small_tensors("BF16", 512, 512))
        self.client.json("upload", model, "org/m")
        for precision in ("original", "int8"):
            target = self.path / precision
            command = ("download", "org/m", target, "--precision", precision)
            first = self.client.json(*command)
            self.assertFalse(first["up_to_date"])
            digests = harness.sha256_by_path(target)
            again = self.client.json(*command)
            self.assertTrue(again["up_to_date"])
            self.assertEqual(self.weights_received(again), 0)
            self.assertLess(again["bytes_received"], 20_000)
            self.assertEqual(again["file_bytes"], first["file_bytes"])
            self.assertIn("is up to date in", self.client.run(*command).stdout)
            # A changed bit that shows in no size and no time.
            weights = target / "model.safetensors"
            times = weights.stat()
            with open(weights, "r+b") as file:
                file.seek(-1, os.SEEK_END)
                last = file.read(1)
                file.seek(-1, os.SEEK_END)
                file.write(bytes([last[0] ^ 1]))
            os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))
            self.assertFalse(self.client.json(*command)["up_to_date"])
            self.assertEqual(harness.sha256_by_path(target), digests)

    def test_many_at_once_into_one_place(self):
        model = models.write_large_model(self.path / "m", 4)
        self.client.json("upload", model, "org/m")
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            running = [pool.submit(self.client.run, "--json", "download", "org/m", self.out)
                       for _ in range(4)]
            done = [one.result() for one in running]
        for one in done:
            self.assertEqual(one.returncode, 0, one.stderr)
        self.assert_same_files(model, self.out)
        self.assertEqual([path for path in os.listdir(self.path) if "partial" in path], [])

    def test_places_that_cannot_be(self):
        self.client.json("upload", models.write_model(self.path / "m"), "org/m")
        (self.path / "file").write_text("text")
        os.symlink(self.path / "none", self.path / "dangling")
        for target, fragment in ((self.path / "file" / "x", "not a directory"),
                                 (self.path / "dangling", "symbolic link"),
                                 ("", "is empty"), ("-", "directory of files")):
            with self.subTest(target=target):
                self.assert_fails(self.client.run("download", "org/m", target), fragment)


class Uploads(harness.EndToEndTest):

    def setUp(self):
        super().setUp()
        self.daemon, self.client = self.start()

    def test_the_cache_of_the_hub_is_no_model(self):
        snapshot = self.path / "models--org--m" / "snapshots" / "abc"
        models.write_model(snapshot)
        (self.path / "models--org--m" / "blobs").mkdir()
        (self.path / "models--org--m" / "blobs" / "0123").write_bytes(b"weights")
        message = self.assert_fails(
            self.client.run("upload", self.path / "models--org--m", "org/m"), "snapshots/abc")
        self.assertIn("--force", message)
        self.client.json("upload", snapshot, "org/m")

    def test_secrets_are_left_at_home(self):
        model = models.write_model(self.path / "m", files={
            ".env": b"TOKEN=secret", "__pycache__/x.pyc": b"x",
            ".cache/huggingface/download/y": b"y"})
        done = self.client.run("upload", model, "org/m")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('".env"', done.stderr)
        paths = {file["path"] for file in self.client.json("show", "org/m")["files"]}
        self.assertEqual(paths, {"config.json", "model.safetensors"})
        self.client.json("upload", model, "org/m", "--all-files")
        self.assertEqual(len(self.client.json("show", "org/m")["files"]), 5)

    def test_a_tag_that_moves_says_so(self):
        model = models.write_model(self.path / "m")
        first = self.client.json("upload", model, "org/m")
        self.assertIsNone(first["moved_from"])
        (model / "more.txt").write_text("more")
        done = self.client.run("upload", model, "org/m")
        self.assertIn(f"latest moved from revision {first['revision'][:12]}", done.stdout)
        self.assertIsNone(self.client.json("upload", model, "org/m")["moved_from"])

    def test_sizes_without_int8_flatter_nobody(self):
        (self.path / "text").mkdir()
        (self.path / "text" / "README.md").write_text("hello")
        done = self.client.run("upload", self.path / "text", "org/text")
        self.assertNotIn("two copies", done.stdout)
        self.assertNotIn("%", done.stdout)
        shown = self.client.run("show", "org/text")
        self.assertNotIn("two copies", shown.stdout)


class Addresses(harness.EndToEndTest):

    def test_addresses_that_are_none(self):
        for server, fragment in (("http://127.0.0.1:7350", "without it"),
                                 ("127.0.0.1:99999", "65535"), ("127.0.0.1:abc", '"abc"')):
            with self.subTest(server=server):
                began = time.monotonic()
                done = harness.Client(harness.BIN_DIR, server).run(
                    "list", environment=clean_environment())
                self.assertEqual(done.returncode, 2)
                self.assertIn(fragment, done.stderr)
                self.assertLess(time.monotonic() - began, 10)
        for listen in ("127.0.0.1:99999", "127.0.0.1", "127.0.0.1:http"):
            with self.subTest(listen=listen):
                with self.assertRaisesRegex(RuntimeError, "--listen"):
                    self.start_daemon(listen=listen)
                self.assertFalse(self.data_dir.exists())

    def test_a_server_that_is_down(self):
        client = harness.Client(harness.BIN_DIR, "127.0.0.1:1")
        began = time.monotonic()
        done = client.run("list", environment=clean_environment())
        self.assertEqual(done.returncode, 1)
        self.assertLess(time.monotonic() - began, 20)
        self.assertEqual(done.stderr.count("cannot reach qstored"), 2, done.stderr)
        self.assertIn("Connection refused", done.stderr)
        self.assertNotIn("UNKNOWN", done.stderr)

    def test_a_port_that_is_taken_makes_no_store(self):
        daemon = self.start_daemon()
        with self.assertRaisesRegex(RuntimeError, "in use"):
            self.start_daemon(data_dir=self.path / "other", listen=daemon.address)
        self.assertFalse((self.path / "other").exists())


class Stores(harness.EndToEndTest):

    def test_a_directory_of_somebody_else_becomes_no_store(self):
        models.write_model(self.data_dir)
        before = sorted(os.listdir(self.data_dir))
        with self.assertRaisesRegex(RuntimeError, "config.json|model.safetensors"):
            self.start_daemon()
        self.assertEqual(sorted(os.listdir(self.data_dir)), before)

    def test_the_root_of_a_file_system_is_empty(self):
        (self.data_dir / "lost+found").mkdir(parents=True)
        self.start_daemon().stop()
        self.start_daemon()

    def test_weights_are_for_this_user_and_its_group(self):
        daemon, client = self.start()
        client.json("upload", models.write_large_model(self.path / "m", 1), "org/m")
        daemon.stop()
        for path in (self.data_dir, *self.data_dir.rglob("*")):
            mode = stat.S_IMODE(path.stat().st_mode)
            self.assertEqual(mode & 0o027, 0, f"{path}: {mode:o}")


class Log(harness.EndToEndTest):

    def run_calls(self, *flags):
        daemon, client = self.start(*flags)
        model = models.write_model(self.path / "m")
        revision = client.json("upload", model, "org/m")["revision"]
        client.json("tag", "org/m", "prod")
        client.json("delete", "org/m:latest")
        client.json("delete", "org/m:prod")
        client.run("show", "org/none")
        daemon.stop()
        return revision, daemon.log_text()

    def test_text(self):
        revision, log = self.run_calls()
        for line in log.splitlines():
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \[[a-z]+\] ")
        self.assertRegex(log, r"qstored \S+ starts: --listen 127.0.0.1:0 --data-dir ")
        self.assertIn(f"OK, tag prod names revision {revision}, ", log)
        self.assertIn(f"OK, tag removed, revision {revision} stays, ", log)
        self.assertRegex(log, f"OK, revision {revision} deleted, .* given back, ")
        self.assertNotIn("GetUploadState  from", log)
        self.assertRegex(log, r"NOT_FOUND: .* \(MODEL_NOT_FOUND\) \(0 B, \d+\.\d{3} s\), request ")

    def test_json(self):
        revision, log = self.run_calls("--log-format", "json")
        lines = [json.loads(line) for line in log.splitlines()]
        for line in lines:
            self.assertLessEqual({"time", "level", "message"}, set(line))
        calls = {line["method"]: line for line in lines if "method" in line}
        self.assertLessEqual({"Upload", "SetTag", "Delete", "GetRevision"}, set(calls))
        self.assertEqual(calls["SetTag"]["revision"], revision)
        self.assertIn("prod", calls["SetTag"]["outcome"])
        self.assertEqual(calls["GetRevision"]["reason"], "MODEL_NOT_FOUND")
        self.assertEqual(calls["Delete"]["code"], "OK")
        self.assertGreater(calls["Upload"]["bytes"], 1000)

    def test_paths_of_the_server_are_not_told(self):
        self.data_dir.mkdir()
        daemon, client = self.start()
        client.json("upload", models.write_model(self.path / "m"), "org/m")
        daemon.kill()
        for table in self.data_dir.rglob("*.sst"):
            contents = bytearray(table.read_bytes())
            contents[len(contents) // 3] ^= 0xff
            table.write_bytes(contents)
        try:
            _, client = self.start()
        except RuntimeError:
            return  # found before anybody could ask
        for command in (("download", "org/m", self.path / "out"), ("verify", "org/m"),
                        ("list",), ("show", "org/m")):
            self.assertNotIn(str(self.data_dir), client.run(*command).stderr)


class Words(harness.EndToEndTest):

    def test_of_the_command_line(self):
        program = harness.BIN_DIR / "qstore-client"

        def run(*arguments, **variables):
            return subprocess.run([program, *arguments], capture_output=True, text=True,
                                  timeout=60, env=clean_environment(**variables))

        self.assertIn("did you mean upload?", run("uplaod", "a", "b").stderr)
        self.assertIn("--quantizer", run("help", "push").stdout)
        self.assertIn("complete -F", run("completion", "bash").stdout)
        self.assertRegex(run("version").stdout, r"qstore-client \d")
        # Variables of another command.
        done = run("list", "--retry-for=0", "--server", "127.0.0.1:1", QSTORE_PRECISION="int9")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("the variable QSTORE_PRECISION",
                      run("download", "org/m", "x", QSTORE_PRECISION="int9").stderr)
        for line in run("help", "download").stdout.splitlines():
            if re.match(r" {30}\S", line):
                self.assertLessEqual(len(line), 80)

    def test_wrong_usage_of_the_daemon(self):
        done = subprocess.run([harness.BIN_DIR / "qstored", "--no-such-flag"],
                              capture_output=True, text=True, timeout=60,
                              env=clean_environment())
        self.assertEqual(done.returncode, 2)
        done = subprocess.run([harness.BIN_DIR / "qstored", "--data-dir", self.data_dir],
                              capture_output=True, text=True, timeout=60,
                              env=clean_environment(QSTORE_THREADS="abc"))
        self.assertEqual(done.returncode, 2)
        self.assertIn("the variable QSTORE_THREADS", done.stderr)
