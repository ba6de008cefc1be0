"""Each failpoint once with each action: what was promised holds afterwards."""

import concurrent.futures

import failpoint_cases
import failpoint_lab
import harness

THREADS = 3
# Sanitizer builds take a part of the cases: they are slow, and look for errors
# of memory. test_delay reaches every point there too.
SANITIZED_STRIDE = 5


class Failpoints(harness.EndToEndTest):

    def run_all(self, action):
        lab = failpoint_lab.Lab(harness.BIN_DIR, self.path / "lab")
        points = failpoint_cases.names_in_table()
        if harness.is_sanitized():
            points = points[::SANITIZED_STRIDE]
        with concurrent.futures.ThreadPoolExecutor(THREADS) as threads:
            results = threads.map(lambda point: lab.run(point, action), points)
            for point, (_, problems) in zip(points, results):
                with self.subTest(point=point):
                    self.assertEqual(problems, [])

    def test_crash(self):
        self.run_all("crash")

    def test_error(self):
        self.run_all("1*error(INTERNAL)")

    def test_delay(self):
        """Every point waits in one and the same life of a store."""
        lab = failpoint_lab.Lab(harness.BIN_DIR, self.path / "lab")
        points = failpoint_cases.names_in_table()
        armed = ";".join(f"{point}=3*delay(10)" for point in points)
        log_path = self.path / "armed.log"
        for store in ("objects", "data", "uploads", "new"):
            data_dir = lab.stores.get(store, self.path / "new")
            with lab.daemon(data_dir, armed, log_path) as daemon:
                client = lab.client(daemon)
                for name, model in lab.models.items():
                    client.json("upload", model, name)
                client.json("tag", "org/kept", "prod")
                client.json("verify", "org/shared")
                for name in ("org/kept", "org/large"):
                    target = self.path / f"{store}-{name.replace('/', '-')}"
                    client.json("download", name, target)
                    self.assert_same_files(lab.models[name], target)
                client.json("delete", "org/kept:latest")
                client.json("delete", "org/kept:prod")
                client.json("list")
                self.wait_until(
                    lambda: all(f"failpoint {point}: " in log_path.read_text()
                                for point in failpoint_cases.COLLECTOR),
                    what="a collection that reaches every point")
        log = log_path.read_text()
        self.assertEqual([point for point in points if f"failpoint {point}: " not in log], [])

    def test_table_sources_and_cases_have_the_same_names(self):
        names = failpoint_cases.names_in_table()
        self.assertGreaterEqual(len(names), 30)
        self.assertEqual(sorted(set(names)), sorted(names), "a name stands there twice")
        self.assertEqual(set(names), failpoint_cases.names_in_sources())
        self.assertEqual(set(names), set(failpoint_cases.COMMANDS))

    def test_shipped_binary_has_none(self):
        shipped = (harness.BIN_DIR / "qstored").read_bytes()
        armed = (harness.BIN_DIR / failpoint_lab.PROGRAM).read_bytes()
        self.assertIn(b"collect.written", armed)
        for name in failpoint_cases.names_in_table():
            self.assertFalse(b"\0" + name.encode() + b"\0" in shipped, name)
        self.assertFalse(b"QSTORE_FAILPOINTS" in shipped)
