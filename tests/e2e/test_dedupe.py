"""Equal tensors are stored once, and stay while something needs them."""

import harness
import models


class EqualTensors(harness.EndToEndTest):

    def setUp(self):
        super().setUp()
        self.daemon, self.client = self.start()
        self.tensors = models.small_tensors("BF16", 2000, 1000)
        self.model = models.write_model(self.path / "a", self.tensors)
        self.empty_bytes = harness.data_bytes(self.daemon)
        self.client.json("upload", self.model, "org/a")
        self.one_bytes = harness.data_bytes(self.daemon) - self.empty_bytes
        self.assertGreater(self.one_bytes, 3_000_000)

    def grown(self):
        return harness.data_bytes(self.daemon) - self.empty_bytes - self.one_bytes

    def test_another_model_with_the_same_tensors(self):
        tensors = dict(reversed(list(self.tensors.items())))
        tensors["classifier.bias"] = models.gaussian((8,), "BF16")
        other = models.write_model(self.path / "b", tensors)
        self.assert_round_trip(self.client, other, "org/b")
        self.assertLess(self.grown(), self.one_bytes // 10)
        self.client.json("delete", "org/a")
        self.client.json("download", "org/b", self.path / "again")
        self.assert_same_files(other, self.path / "again")

    def test_the_same_tensor_twice_in_one_file(self):
        weight = models.gaussian((1500, 1000), "F16", 9)
        twice = models.write_model(self.path / "twice",
                                   {"a.proj.weight": weight, "b.proj.weight": weight})
        self.assert_round_trip(self.client, twice, "org/twice")
        self.assertLess(self.grown(), 1.1 * len(weight.raw))

    def test_the_same_model_under_another_name(self):
        self.assert_round_trip(self.client, self.model, "other/name")
        self.assertLess(self.grown(), self.one_bytes // 10)
