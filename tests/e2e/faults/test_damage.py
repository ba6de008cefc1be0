"""A byte that changed on disk is an error that names the tensor, never weights."""

import json
import random
import shutil

import harness
import models


class Damage(harness.EndToEndTest):

    def setUp(self):
        super().setUp()
        daemon, client = self.start()
        self.model = models.write_model(
            self.path / "m", models.small_tensors("BF16", 700, 300))
        client.json("upload", self.model, "org/m")
        client.json("download", "org/m", self.path / "int8", "--precision", "int8")
        self.stored = client.json("show", "org/m")["stored_bytes"]
        daemon.stop()

    def table_of(self, kind):
        """The table that holds the values of one kind, told by its size."""
        fitting = [path for path in self.data_dir.rglob("*.sst")
                   if abs(path.stat().st_size - self.stored[kind])
                   < 0.05 * self.stored[kind]]
        self.assertEqual(len(fitting), 1, f"tables of the size of {kind}")
        return fitting[0]

    def flip(self, table, positions):
        """Changes one bit at each position; undone when the test ends."""
        content = table.read_bytes()
        self.addCleanup(table.write_bytes, content)
        changed = bytearray(content)
        for position in positions:
            changed[position] ^= 0x10
        table.write_bytes(changed)
        return content

    def assert_no_wrong_file(self, target):
        expected = harness.sha256_by_path(self.model)
        for path, digest in harness.sha256_by_path(target).items():
            if path in expected:
                self.assertEqual(digest, expected[path], f"{path} has wrong bytes")

    def assert_damage_is_named(self, kind, part, *names):
        """Flips a bit at `part` of the table; downloads and verify must say so."""
        table = self.table_of(kind)
        content = self.flip(table, [int(part * len(table.read_bytes()))])
        daemon, client = self.start()
        target = self.path / f"out-{kind}-{part}"
        message = self.assert_fails(client.run("download", "org/m", target), "org/m")
        self.assertTrue(any(name in message for name in names), message)
        self.assert_no_wrong_file(target)
        verify = client.run("verify", "org/m")
        self.assertNotEqual(verify.returncode, 0)
        said = verify.stdout + verify.stderr
        self.assertTrue(any(name in said for name in names), said)
        daemon.stop()
        table.write_bytes(content)

    def test_int8(self):
        for part in (0.25, 0.75):
            with self.subTest(part=part):
                self.assert_damage_is_named("int8", part, *models.LINEAR_NAMES)

    def test_residual(self):
        for part in (0.25, 0.75):
            with self.subTest(part=part):
                self.assert_damage_is_named("residual", part, *models.LINEAR_NAMES)

    def test_plain(self):
        self.assert_damage_is_named("plain", 0.5, "embeddings.word_embeddings.weight")

    def test_repaired_bytes_serve_again(self):
        self.assert_damage_is_named("residual", 0.5, *models.LINEAR_NAMES)
        _, client = self.start()
        client.json("download", "org/m", self.path / "out")
        self.assert_same_files(self.model, self.path / "out")

    def assert_nothing_is_lost_in_silence(self, target):
        """One of: the daemon refuses to start and says why, the model comes back
        byte for byte, or an error names it."""
        try:
            daemon, client = self.start()
        except RuntimeError as error:
            self.assertRegex(str(error), r"damaged|missing|CURRENT")
            self.assertNotIn("in use", str(error))
            return
        done = client.run("download", "org/m", target)
        if done.returncode == 0:
            self.assert_same_files(self.model, target)
        else:
            self.assert_fails(done, "org/m")
            self.assertNotIn("no model", done.stderr)
            self.assertNotEqual(client.run("verify", "org/m").returncode, 0)
        daemon.stop()

    def test_any_file_of_the_store(self):
        generator = random.Random(11)
        saved = self.path / "saved"
        shutil.copytree(self.data_dir, saved)
        names = [path.relative_to(saved) for path in sorted(saved.rglob("*"))
                 if path.is_file() and path.stat().st_size > 0]
        self.assertGreater(len(names), 8)
        for number, name in enumerate(names * 2):
            size = (saved / name).stat().st_size
            # Half of them where a table has its index and properties.
            position = (generator.randrange(size) if number < len(names)
                        else size - 1 - generator.randrange(min(size, 400)))
            with self.subTest(file=str(name), position=position):
                shutil.rmtree(self.data_dir)
                shutil.copytree(saved, self.data_dir)
                content = bytearray((saved / name).read_bytes())
                content[position] ^= 1 << generator.randrange(8)
                (self.data_dir / name).write_bytes(content)
                self.assert_nothing_is_lost_in_silence(self.path / f"out-{number}")

    def test_scrub_finds_it_and_says_so_once(self):
        table = self.table_of("residual")
        self.flip(table, [table.stat().st_size // 2])
        # The pass of setUp's daemon is over; without its state another begins.
        (self.data_dir / "scrub-state").unlink()
        daemon, client = self.start()
        self.wait_until(lambda: client.run("scrub-status").returncode == 1,
                        what="the scrub's finding")
        message = self.assert_fails(client.run("scrub-status"), "org/m")
        self.assertTrue(any(name in message for name in models.LINEAR_NAMES), message)
        status = json.loads(client.run("scrub-status", "--json").stdout)
        self.assertEqual([one["model"] for one in status["damage"]], ["org/m"])
        self.assertIn("chunk 0", status["damage"][0]["problem"])
        self.assertEqual(status["error"]["code"], "DATA_LOSS")
        daemon.stop()
        # Known from the last run, and not logged again.
        daemon, client = self.start()
        self.assertEqual(client.run("scrub-status").returncode, 1)
        daemon.stop()
        lines = [line for line in daemon.log_text().splitlines()
                 if "[error] scrub: model org/m@" in line]
        self.assertEqual(len(lines), 1, lines)

    def test_scrub_of_a_whole_store(self):
        _, client = self.start()
        status = client.json("scrub-status")
        self.assertTrue(status["enabled"])
        self.assertEqual(status["damage"], [])
        off = self.client_of(self.start_daemon("--scrub-interval", "0",
                                               data_dir=self.path / "off"))
        self.assertFalse(off.json("scrub-status")["enabled"])
        self.assertEqual(off.run("scrub-status").returncode, 0)

    def test_uploading_again_repairs(self):
        table = self.table_of("residual")
        self.flip(table, [table.stat().st_size // 2])
        _, client = self.start()
        target = self.path / "out"
        self.assert_fails(client.run("download", "org/m", target), "upload it again")
        self.assertTrue(client.json("upload", self.model, "org/m")["created"])
        client.json("download", "org/m", target)
        self.assert_same_files(self.model, target)
        client.json("verify", "org/m")
        self.assertFalse(client.json("upload", self.model, "org/m")["created"])

    def test_int8_readers_need_no_residual(self):
        table = self.table_of("residual")
        self.flip(table, range(1000, table.stat().st_size * 9 // 10, 997))
        _, client = self.start()
        self.assert_fails(client.run("download", "org/m", self.path / "out"), "org/m")
        client.json("download", "org/m", self.path / "again", "--precision", "int8")
        self.assert_same_files(self.path / "int8", self.path / "again")
