"""list, show, tag, delete, verify, and the keys of every --json document."""

import json
import re

import harness
import models

KINDS = {"int8", "residual", "plain", "other"}


class Commands(harness.EndToEndTest):

    def setUp(self):
        super().setUp()
        self.daemon, self.client = self.start()
        self.model = models.write_model(self.path / "m", models.small_tensors("BF16"))

    def test_keys_of_upload_and_download(self):
        upload = self.client.json("upload", self.model, "org/m")
        original = self.client.json("download", "org/m", self.path / "original")
        int8 = self.client.json("download", "org/m", self.path / "int8",
                                "--precision", "int8")
        for result in (upload, original, int8):
            self.assertLessEqual({"revision", "bytes_sent", "bytes_received",
                                  "received_bytes", "seconds"}, set(result))
            self.assertEqual(set(result["received_bytes"]), KINDS)
            self.assertGreater(result["seconds"], 0)
            self.assertEqual(result["revision"], upload["revision"])
            self.assertRegex(result["revision"], r"^[0-9a-f]{6,}$")
        size = harness.total_bytes(self.model)
        self.assertGreaterEqual(upload["bytes_sent"], size)
        self.assertLess(upload["bytes_sent"], size + 65536)
        for result in (original, int8):
            self.assertGreaterEqual(result["bytes_received"],
                                    sum(result["received_bytes"].values()))

    def test_show(self):
        upload = self.client.json("upload", self.model, "org/m")
        show = self.client.json("show", "org/m")
        self.assertEqual(show["revision"], upload["revision"])
        self.assertEqual(set(show["stored_bytes"]), KINDS)
        by_name = {tensor["name"]: tensor for tensor in show["tensors"]}
        expected = models.small_tensors("BF16")
        self.assertEqual(set(by_name), set(expected))
        for name, tensor in by_name.items():
            self.assertEqual(set(tensor) & {"name", "dtype", "shape", "quantized",
                                            "int8_bytes", "residual_bytes", "plain_bytes"},
                             {"name", "dtype", "shape", "quantized", "int8_bytes",
                              "residual_bytes", "plain_bytes"})
            self.assertEqual(tensor["dtype"], "BF16")
            self.assertEqual(tuple(tensor["shape"]), expected[name].shape)
            self.assertEqual(tensor["quantized"], name in models.LINEAR_NAMES)
            if tensor["quantized"]:
                self.assertGreater(tensor["int8_bytes"], 0)
                self.assertGreater(tensor["residual_bytes"], 0)
                self.assertEqual(tensor["plain_bytes"], 0)
            else:
                self.assertEqual(tensor["int8_bytes"] + tensor["residual_bytes"], 0)
                self.assertGreater(tensor["plain_bytes"], 0)
        for kind in ("int8", "residual", "plain"):
            self.assertEqual(show["stored_bytes"][kind],
                             sum(tensor[f"{kind}_bytes"] for tensor in show["tensors"]))
        self.client.json("download", "org/m", self.path / "int8", "--precision", "int8")
        two_copies = (harness.total_bytes(self.model) +
                      harness.total_bytes(self.path / "int8"))
        self.assertLess(abs(show["two_copies_bytes"] - two_copies), 0.03 * two_copies)

    def test_show_for_people(self):
        self.client.json("upload", self.model, "org/m")
        summary = self.client.run("show", "org/m")
        self.assertEqual(summary.returncode, 0, summary.stderr)
        self.assertIn("2 files", summary.stdout)
        self.assertLess(summary.stdout.count("\n"), 12)
        self.assertIn("config.json", self.client.run("show", "org/m", "--files").stdout)
        done = self.client.run("show", "org/m", "--tensors")
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in models.small_tensors("BF16"):
            self.assertIn(name, done.stdout)
            self.assertNotIn(name, summary.stdout)
        for word in ("BF16", "int8", "residual", "plain", "%"):
            self.assertIn(word, done.stdout)

    def test_list(self):
        self.assertEqual(self.client.json("list"), {"models": []})
        first = self.client.json("upload", self.model, "org/b:v1")["revision"]
        self.client.json("upload", self.model, "org/a")
        (self.model / "extra.txt").write_text("new content")
        second = self.client.json("upload", self.model, "org/b:v2")["revision"]
        self.assertNotEqual(first, second)
        listed = {entry["name"]: entry for entry in self.client.json("list")["models"]}
        self.assertEqual(set(listed), {"org/a", "org/b"})
        self.assertEqual(set(map(str, listed["org/b"]["revisions"])) & {first, second},
                         {first, second})
        self.assertEqual(self.tags("org/b"), {"v1": first, "v2": second})
        self.assertEqual(set(self.tags("org/a")), {"latest"})

    def tags(self, name):
        """Tag to revision, whether the document lists pairs or objects."""
        for entry in self.client.json("list")["models"]:
            if entry["name"] == name:
                tags = entry["tags"]
                if isinstance(tags, dict):
                    return tags
                return {tag["name"]: tag["revision"] for tag in tags}
        return {}

    def test_upload_of_the_same_content_is_the_same_revision(self):
        first = self.client.json("upload", self.model, "org/m:a")["revision"]
        second = self.client.json("upload", self.model, "org/m:b")["revision"]
        self.assertEqual(first, second)
        self.assertEqual(self.tags("org/m"), {"a": first, "b": first})

    def test_tag_moves(self):
        first = self.client.json("upload", self.model, "org/m")["revision"]
        self.client.json("tag", "org/m", "prod")
        (self.model / "extra.txt").write_text("new content")
        second = self.client.json("upload", self.model, "org/m")["revision"]
        self.assertEqual(self.tags("org/m"), {"latest": second, "prod": first})
        self.client.json("tag", f"org/m@{second}", "prod")
        self.assertEqual(self.tags("org/m"), {"latest": second, "prod": second})
        self.client.json("download", f"org/m@{first[:12]}", self.path / "first")
        self.assertFalse((self.path / "first" / "extra.txt").exists())
        self.client.json("download", "org/m:prod", self.path / "second")
        self.assert_same_files(self.model, self.path / "second")

    def test_delete(self):
        revision = self.client.json("upload", self.model, "org/m:a")["revision"]
        self.client.json("tag", "org/m:a", "b")
        self.client.json("delete", "org/m:a")
        self.assertEqual(self.tags("org/m"), {"b": revision})
        self.client.json("download", "org/m:b", self.path / "out")
        self.assert_same_files(self.model, self.path / "out")
        self.client.json("delete", f"org/m@{revision}")
        self.assert_nothing_stored(self.client)
        self.assert_fails(self.client.run("show", "org/m:b"), "org/m")

    def test_delete_gives_space_back(self):
        empty = harness.data_bytes(self.daemon)
        model = models.write_model(
            self.path / "big", models.small_tensors("BF16", 2000, 1000))
        self.client.json("upload", model, "org/big")
        self.assertGreater(harness.data_bytes(self.daemon), empty + 2_000_000)
        self.client.json("delete", "org/big")
        self.wait_until(lambda: harness.data_bytes(self.daemon) < empty + 500_000,
                        what="the space of the deleted model")

    def test_verify(self):
        self.client.json("upload", self.model, "org/m")
        result = self.client.json("verify", "org/m")
        self.assertEqual(result.get("problems", []), [])
        done = self.client.run("verify", "org/m")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_unknown_names(self):
        self.client.json("upload", self.model, "org/m")
        for command in (("show", "org/none"), ("show", "org/m:none"),
                        ("show", "org/m@0123456789abcdef"), ("delete", "org/none"),
                        ("verify", "org/none"), ("tag", "org/none", "x"),
                        ("download", "org/none", self.path / "no"),
                        ("download", "org/m:none", self.path / "no", "--precision", "int8")):
            with self.subTest(command=command):
                done = self.client.run(*command)
                name = re.split("[:@]", str(command[1]))[0]
                self.assert_fails(done, name)
                self.assertFalse((self.path / "no").exists() and
                                 any((self.path / "no").iterdir()))

    def test_json_errors_leave_stdout_to_json(self):
        done = self.client.run("--json", "show", "org/none")
        self.assertEqual(done.returncode, 1)
        self.assertIn("org/none", done.stderr)
        if done.stdout.strip():
            json.loads(done.stdout)

    def test_server_that_is_not_there(self):
        self.daemon.stop()
        done = self.client.run("--connect-timeout", "2", "list")
        self.assert_fails(done, self.client.address)
