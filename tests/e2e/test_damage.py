"""A byte that changed on disk is an error that names the tensor, never weights."""

import harness
import models


class Damage(harness.EndToEndTest):

    def setUp(self):
        super().setUp()
        daemon, client = self.start()
        self.model = models.write_model(
            self.path / "m", models.small_tensors("BF16", 700, 300))
        client.json("upload", self.model, "org/m")
        daemon.stop()

    def table_files(self):
        return sorted(self.data_dir.rglob("*.sst"), key=lambda path: path.stat().st_size)

    def assert_no_wrong_file(self, target):
        expected = harness.sha256_by_path(self.model)
        for path, digest in harness.sha256_by_path(target).items():
            if path in expected:
                self.assertEqual(digest, expected[path], f"{path} has wrong bytes")

    def test_each_stored_tensor(self):
        names = set(models.small_tensors())
        named = set()
        tables = self.table_files()
        self.assertGreaterEqual(len(tables), len(models.LINEAR_NAMES))
        for number, table in enumerate(tables[-8:]):
            with self.subTest(table=table.name):
                content = table.read_bytes()
                position = len(content) // 3
                changed = bytearray(content)
                changed[position] ^= 0x10
                table.write_bytes(changed)
                daemon, client = self.start()
                target = self.path / f"out{number}"
                done = client.run("download", "org/m", target)
                if done.returncode == 0:
                    self.assert_same_files(self.model, target)
                else:
                    message = self.assert_fails(done, "org/m")
                    named |= {name for name in names if name in message}
                    self.assert_no_wrong_file(target)
                    self.assertNotEqual(client.run("verify", "org/m").returncode, 0)
                daemon.stop()
                table.write_bytes(content)
        self.assertLessEqual(set(models.LINEAR_NAMES), named,
                             "damage of these tensors was not named")

    def test_int8_readers_need_no_residual(self):
        """With every residual table gone bad, INT8 still comes, and is right."""
        daemon, client = self.start()
        client.json("download", "org/m", self.path / "int8", "--precision", "int8")
        show = client.json("show", "org/m")
        daemon.stop()
        residual = max(tensor["residual_bytes"] for tensor in show["tensors"])
        damaged = 0
        for table in self.table_files()[-8:]:
            content = table.read_bytes()
            if not 0.9 * residual < len(content) < 1.3 * residual:
                continue
            changed = bytearray(content)
            changed[len(content) // 3] ^= 0x10
            table.write_bytes(changed)
            daemon, client = self.start()
            if client.run("download", "org/m", self.path / f"try{damaged}").returncode:
                done = client.run("download", "org/m", self.path / f"int8-{damaged}",
                                  "--precision", "int8")
                if done.returncode == 0:
                    damaged += 1
                    self.assert_same_files(self.path / "int8",
                                           self.path / f"int8-{damaged - 1}")
            daemon.stop()
            table.write_bytes(content)
        self.assertGreater(damaged, 0, "no table held residuals alone")
