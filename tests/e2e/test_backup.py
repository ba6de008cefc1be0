"""A backup made while the store works is restored into a store of its own."""

import os
import random
import shutil
import threading

import harness
import models

MODEL_COUNT = 6


class Backup(harness.EndToEndTest):

    def setUp(self):
        super().setUp()
        self.backups = self.path / "backups"

    def start_with_backups(self):
        return self.start("--backup-dir", self.backups)

    def restore(self, name):
        """As docs/operations.md says; returns a client of the restored store."""
        target = self.path / f"restored-{name}"
        shutil.copytree(self.backups / name, target)
        self.restored = self.start_daemon(data_dir=target)
        return self.client_of(self.restored)

    def write_models(self, count):
        return {f"org/m{number}": models.write_model(
            self.path / f"m{number}",
            models.small_tensors("BF16", 600, 200, seed=10 * number))
            for number in range(count)}

    def assert_serves(self, client, name, model):
        target = self.path / f"out-{random.getrandbits(64):x}"
        client.json("verify", name)
        client.json("download", name, target)
        self.assert_same_files(model, target)

    def test_backup_and_restore(self):
        _, client = self.start_with_backups()
        model = models.write_model(self.path / "m")
        revision = client.json("upload", model, "org/m:v1")["revision"]
        made = client.json("backup", "first")
        self.assertEqual(set(made), {"path", "bytes"})
        self.assertEqual(made["path"], str(self.backups / "first"))
        self.assertEqual(made["bytes"], harness.total_bytes(self.backups / "first"))
        client.json("upload", models.write_model(
            self.path / "later", models.small_tensors(seed=99)), "org/later")
        client.json("delete", "org/m:v1")

        restored = self.restore("first")
        self.assertEqual(restored.json("list")["models"],
                         [{"name": "org/m", "tags": {"v1": revision},
                           "revisions": [revision]}])
        self.assert_serves(restored, "org/m:v1", model)
        # A restored store is a store like any other.
        self.assert_round_trip(restored, self.path / "later", "org/new")
        restored.json("delete", "org/m:v1")
        # The backup is as it was, and can be restored again.
        self.assertEqual(self.restored.stop(), 0)
        shutil.rmtree(self.path / "restored-first")
        self.assert_serves(self.restore("first"), "org/m:v1", model)

    def test_files_are_shared_not_copied(self):
        _, client = self.start_with_backups()
        client.json("upload", models.write_model(self.path / "m"), "org/m")
        client.json("backup", "b")
        inodes = {path.stat().st_ino for path in self.data_dir.rglob("*.sst")}
        copied = {path.stat().st_ino for path in (self.backups / "b").rglob("*.sst")}
        self.assertTrue(copied)
        self.assertLessEqual(copied, inodes)

    def test_during_uploads_deletes_and_downloads(self):
        _, client = self.start_with_backups()
        written = self.write_models(MODEL_COUNT)
        kept = "org/m0"
        client.json("upload", written[kept], kept)
        # Names of models that are stored, with the number of their upload.
        acknowledged, begun, deleting = {kept: 0}, {kept}, set()
        lock, stop, problems = threading.Lock(), threading.Event(), []

        def change(names, seed):
            generator = random.Random(seed)
            upload = 0
            while not stop.is_set():
                name = generator.choice(names)
                with lock:
                    stored = name in acknowledged
                    if stored:
                        del acknowledged[name]
                        deleting.add(name)
                    else:
                        begun.add(name)
                done = (client.run("delete", name) if stored
                        else client.run("upload", written[name], name))
                with lock:
                    if done.returncode != 0:
                        problems.append(done.stderr)
                    elif stored:
                        deleting.discard(name)
                        begun.discard(name)
                    else:
                        upload += 1
                        acknowledged[name] = upload

        def read():
            while not stop.is_set():
                target = self.path / f"read-{random.getrandbits(64):x}"
                done = client.run("download", kept, target)
                if done.returncode != 0:
                    problems.append(done.stderr)
                shutil.rmtree(target, ignore_errors=True)

        threads = [threading.Thread(target=change, args=(["org/m1", "org/m2"], 1)),
                   threading.Thread(target=change, args=(["org/m3", "org/m4"], 2)),
                   threading.Thread(target=read)]
        for thread in threads:
            thread.start()
        states = {}
        try:
            for number in range(5):
                threading.Event().wait(0.3)
                name = f"b{number}"
                with lock:
                    before, maybe = set(acknowledged.items()), begun | deleting
                client.json("backup", name)
                with lock:
                    # What was deleted meanwhile may be in it or not.
                    before &= set(acknowledged.items())
                    maybe |= begun | deleting
                states[name] = (before, maybe)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(problems, [])
        for name, (before, maybe) in states.items():
            with self.subTest(backup=name):
                restored = self.restore(name)
                found = {entry["name"] for entry in restored.json("list")["models"]}
                self.assertLessEqual({model for model, _ in before}, found)
                self.assertLessEqual(found, maybe)
                self.assertNotIn("org/m5", found)
                for model in found:
                    self.assert_serves(restored, model, written[model])

    def test_names(self):
        _, client = self.start_with_backups()
        client.json("backup", "b")
        self.assert_fails(client.run("backup", "b"), '"b"', "another name")
        for name in ("..", "../b2", ".hidden", "a/b", "/tmp/b", ""):
            with self.subTest(name=name):
                done = client.run("backup", name)
                self.assertEqual(done.returncode, 2)
        self.assertEqual(sorted(path.name for path in self.backups.iterdir()), ["b"])

    def test_off_unless_asked_for(self):
        _, client = self.start()
        self.assert_fails(client.run("backup", "b"), "--backup-dir")

    def test_unfinished_backups_are_removed_at_start(self):
        self.backups.mkdir()
        for leftover in (".partial-b", ".partial-b.tmp"):
            (self.backups / leftover).mkdir()
            (self.backups / leftover / "000001.sst").write_bytes(b"x")
        (self.backups / "kept").mkdir()
        _, client = self.start_with_backups()
        self.assertEqual(os.listdir(self.backups), ["kept"])
        client.json("backup", "b")
        self.assertEqual(sorted(os.listdir(self.backups)), ["b", "kept"])

    def test_refused_directories(self):
        self.start_with_backups()
        for flags, words in (
                (("--backup-dir", self.backups), "in use"),
                (("--backup-dir", self.path / "other" / "backups"), "inside"),
                (("--backup-dir", self.path / "none" / "backups"), "parent")):
            with self.subTest(words=words):
                with self.assertRaisesRegex(RuntimeError, words):
                    self.start_daemon(*flags, data_dir=self.path / "other")
