"""Several clients at once get what they would get alone."""

import concurrent.futures

import harness
import models


class Concurrency(harness.EndToEndTest):

    def setUp(self):
        super().setUp()
        self.daemon, self.client = self.start()

    def run_all(self, commands):
        processes = [self.client.start(*command) for command in commands]
        outputs = [process.communicate() for process in processes]
        return [(process.returncode, *output)
                for process, output in zip(processes, outputs)]

    def test_uploads_of_different_models(self):
        directories = [models.write_model(self.path / f"m{i}", models.small_tensors(
            ("BF16", "F16", "F32")[i % 3], 300, 200, seed=10 * i)) for i in range(6)]
        for status, _, stderr in self.run_all(
                ("upload", directory, f"org/m{i}")
                for i, directory in enumerate(directories)):
            self.assertEqual(status, 0, stderr)
        for status, _, stderr in self.run_all(
                ("download", f"org/m{i}", self.path / f"out{i}")
                for i in range(len(directories))):
            self.assertEqual(status, 0, stderr)
        for i, directory in enumerate(directories):
            self.assert_same_files(directory, self.path / f"out{i}")

    def test_uploads_of_the_same_content(self):
        model = models.write_model(self.path / "m", models.small_tensors("BF16", 900, 500))
        before = harness.data_bytes(self.daemon)
        for status, _, stderr in self.run_all(("upload", model, "org/m") for _ in range(4)):
            self.assertEqual(status, 0, stderr)
        (listed,) = self.client.json("list")["models"]
        self.assertEqual(len(listed["revisions"]), 1)
        self.client.json("download", "org/m", self.path / "out")
        self.assert_same_files(model, self.path / "out")
        self.wait_until(lambda: harness.data_bytes(self.daemon) - before
                        < harness.total_bytes(model), what="one copy on disk")

    def test_readers_beside_a_writer_and_a_deleter(self):
        model = models.write_model(self.path / "m", models.small_tensors("BF16", 900, 500))
        self.client.json("upload", model, "org/kept")
        other = models.write_large_model(self.path / "other", 4)

        def read(number):
            target = self.path / f"out{number}"
            self.client.json("download", "org/kept", target)
            return harness.sha256_by_path(target)

        def churn():
            for _ in range(3):
                self.client.json("upload", other, "org/other")
                self.client.json("delete", "org/other")

        expected = harness.sha256_by_path(model)
        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            writer = threads.submit(churn)
            readers = [threads.submit(read, number) for number in range(9)]
            for reader in readers:
                self.assertEqual(reader.result(), expected)
            writer.result()
        self.client.json("verify", "org/kept")
