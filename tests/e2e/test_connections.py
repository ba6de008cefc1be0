"""Connections: bounded, and accepted for ever, whatever descriptors there are."""

import os
import pathlib
import resource
import socket

import harness
import models

IDLE = 300


def open_files(daemon):
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


class Connections(harness.EndToEndTest):

    def connect(self, daemon):
        host, port = daemon.address.rsplit(":", 1)
        connection = socket.create_connection((host, int(port)), timeout=30)
        self.addCleanup(connection.close)
        return connection

    def assert_serves(self, client, model, name):
        client.json("upload", model, name)
        client.json("download", name, self.path / name.replace("/", "-"))
        self.assert_same_files(model, self.path / name.replace("/", "-"))

    def test_idle_connections_lock_nobody_out(self):
        model = models.write_model(self.path / "m")
        daemon = self.start_daemon(prefix=("prlimit", "--nofile=256"))
        client = self.client_of(daemon)
        client.json("list")
        before = open_files(daemon)
        idle = [self.connect(daemon) for _ in range(IDLE)]
        # Not one in place of another that is needed for files.
        self.assert_serves(client, model, "org/meanwhile")
        self.assertLess(open_files(daemon), 200)
        self.assertIn("connections are bounded to", daemon.log_text())
        self.assertIn("as many connections are open", daemon.log_text())
        for connection in idle:
            connection.close()
        self.assert_serves(client, model, "org/afterwards")
        # Tables of what was stored are open too.
        self.wait_until(lambda: open_files(daemon) < before + 40,
                        what="the end of idle connections")
        self.assertEqual(daemon.stop(), 0)

    def test_a_few_connections_are_enough(self):
        model = models.write_model(self.path / "m")
        daemon, client = self.start("--max-connections", "4")
        idle = [self.connect(daemon) for _ in range(20)]
        self.assert_serves(client, model, "org/m")
        del idle

    def test_the_limit_of_descriptors_is_raised(self):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = min(most, 4096)
        daemon = self.start_daemon(prefix=("prlimit", f"--nofile=64:{most}"))
        limits = pathlib.Path(f"/proc/{daemon.pid}/limits").read_text()
        line = next(line for line in limits.splitlines() if "open files" in line)
        self.assertEqual(line.split()[3:5], [str(most), str(most)])
        connections = [self.connect(daemon) for _ in range(200)]
        self.assert_serves(self.client_of(daemon), models.write_model(self.path / "m"), "org/m")
        del connections
