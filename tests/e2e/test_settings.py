"""Flags, their environment variables, and how the daemon starts and stops."""

import signal
import subprocess

import harness
import models
from qstore_process import clean_environment


class Settings(harness.EndToEndTest):

    def test_daemon_by_environment(self):
        daemon = self.start_daemon(set_flags=False, environment=clean_environment(
            QSTORE_LISTEN="127.0.0.1:0", QSTORE_DATA_DIR=str(self.data_dir)))
        model = models.write_model(self.path / "m")
        self.client_of(daemon).json("upload", model, "org/m")
        self.assertTrue(any(self.data_dir.iterdir()))

    def test_client_by_environment(self):
        daemon, client = self.start()
        model = models.write_model(self.path / "m")
        client.json("upload", model, "org/m")
        done = subprocess.run(
            [client.program, "list"], capture_output=True, text=True, timeout=60,
            env=clean_environment(QSTORE_SERVER=daemon.address, QSTORE_JSON="1"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('"models"', done.stdout)
        done = subprocess.run(
            [client.program, "--json", "--server", daemon.address, "download", "org/m",
             str(self.path / "int8")], capture_output=True, text=True, timeout=60,
            env=clean_environment(QSTORE_PRECISION="int8"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("quantization_config",
                      (self.path / "int8" / "config.json").read_text())

    def test_one_line_on_stdout_and_clean_stop(self):
        daemon, client = self.start()
        client.json("upload", models.write_model(self.path / "m"), "org/m")
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(daemon.process.stdout.read(), b"")
        self.assertIn(daemon.address, daemon.line)

    def test_interrupt_also_stops_cleanly(self):
        daemon, _ = self.start()
        daemon.process.send_signal(signal.SIGINT)
        self.assertEqual(daemon.process.wait(60), 0)

    def test_models_outlive_a_clean_restart(self):
        daemon, client = self.start()
        model = models.write_model(self.path / "m", models.small_tensors("BF16"))
        client.json("upload", model, "org/m")
        daemon.stop()
        _, client = self.start()
        client.json("download", "org/m", self.path / "out")
        self.assert_same_files(model, self.path / "out")

    def test_two_daemons_on_one_data_dir(self):
        self.start()
        with self.assertRaisesRegex(RuntimeError, "(?i)data|lock|use"):
            self.start()

    def test_port_that_is_taken(self):
        daemon, _ = self.start()
        with self.assertRaises(RuntimeError) as raised:
            self.start_daemon(data_dir=self.path / "other", listen=daemon.address)
        self.assertIn(daemon.address, str(raised.exception))

    def test_data_dir_that_cannot_be(self):
        (self.path / "file").write_text("not a directory")
        with self.assertRaises(RuntimeError) as raised:
            self.start_daemon(data_dir=self.path / "file" / "data")
        self.assertIn("file/data", str(raised.exception))

    def test_wrong_usage(self):
        _, client = self.start()
        for command in ((), ("nonsense",), ("upload",), ("download", "org/m"),
                        ("download", "org/m", "x", "--precision", "int4"),
                        ("show", "org/m:"), ("show", "../m"), ("show", "org//m"),
                        ("list", "--no-such-flag")):
            with self.subTest(command=command):
                done = client.run(*command)
                self.assertGreater(done.returncode, 0)
                self.assertTrue(done.stderr.strip())
