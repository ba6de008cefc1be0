"""SIGTERM ends the daemon in time whatever runs, and what it is started without hurts nothing."""

import json
import os
import signal
import socket
import struct
import subprocess
import time

import failpoint_lab
import harness
import models
import raw_calls
from qstore_process import clean_environment
from raw_calls import bytes_message, text_field, varint

GRACE_SECONDS = 1
# server/process/stop_deadline.h, kStopTimeout.
LAST_RESORT_SECONDS = 5


def field(number, content):
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def many_names(count):
    """A safetensors file of tensors whose names have 1000 bytes."""
    entries = {f"{'a' * 500}{i:05d}{'a' * 488}.weight":
               {"dtype": "F32", "shape": [1, 1], "data_offsets": [4 * i, 4 * i + 4]}
               for i in range(count)}
    header = json.dumps(entries).encode()
    return struct.pack("<Q", len(header)) + header + bytes(4 * count)


def pattern_bomb(model, count, key=b""):
    """The messages of an upload that looks for 2000 patterns in `count` long names."""
    patterns = [f"*{'a' * 120}{'b' * (1 + i % 3)}*{'a' * 110}{i:03d}*"[:256].encode()
                for i in range(1000)]
    quantization = b"".join(field(3, pattern) for pattern in patterns)
    quantization += b"".join(field(2, b"*a?" + pattern[3:] if i else b"*")
                             for i, pattern in enumerate(patterns))
    begin = text_field(1, model) + field(3, quantization)
    if key:
        begin += text_field(4, key)
    yield field(1, begin)
    content = many_names(count)
    yield raw_calls.file_message("m.safetensors", len(content))
    for start in range(0, len(content), 1 << 20):
        yield bytes_message(content[start:start + (1 << 20)])
    yield raw_calls.end_message(1, len(content))


def cpu_seconds(process):
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


class Patterns(harness.EndToEndTest):

    def start_bomb(self, daemon, key=b""):
        """A call that computes for long; returns it when it does."""
        channel = raw_calls.new_channel(daemon.address)
        self.addCleanup(channel.close)
        before = cpu_seconds(daemon.process)
        call = raw_calls.upload(channel, pattern_bomb("org/bomb", 20_000, key))
        # Taking in the header takes less.
        self.wait_until(lambda: cpu_seconds(daemon.process) > before + 4,
                        what="work on patterns")
        self.assertFalse(call.done())
        return call

    def test_a_call_that_is_over_stops_computing(self):
        daemon, client = self.start()
        for key in (b"", b"key"):
            with self.subTest(key):
                self.start_bomb(daemon, key).cancel()
                self.wait_until(lambda: "CANCELLED" in daemon.log_text(),
                                timeout_seconds=10, what="the end of the call")
                used = cpu_seconds(daemon.process)
                time.sleep(1)
                self.assertLess(cpu_seconds(daemon.process) - used, 0.5)
        self.assert_nothing_stored(client)

    def test_a_stop_ends_them(self):
        daemon, _ = self.start("--grace", str(GRACE_SECONDS))
        self.start_bomb(daemon)
        begin = time.monotonic()
        self.assertEqual(daemon.stop(), 0)
        self.assertLess(time.monotonic() - begin, GRACE_SECONDS + LAST_RESORT_SECONDS)


class BlockedThreads(harness.EndToEndTest):

    def test_the_stop_has_a_last_resort(self):
        kept = models.write_model(self.path / "kept")
        # The second commit's thread stands still.
        daemon = self.start_daemon(
            "--grace", str(GRACE_SECONDS), program=failpoint_lab.PROGRAM,
            environment=clean_environment(QSTORE_FAILPOINTS="commit.begin=delay(600000)@2"))
        client = self.client_of(daemon)
        client.json("upload", kept, "org/kept")
        other = models.write_model(self.path / "m", models.small_tensors("BF16", seed=9))
        stuck = client.start("upload", other, "org/stuck")
        self.addCleanup(stuck.communicate)
        self.addCleanup(stuck.kill)
        self.wait_until(lambda: "failpoint commit.begin: " in daemon.log_text(),
                        what="a thread that stands still")
        begin = time.monotonic()
        self.assertEqual(daemon.stop(), 1)
        seconds = time.monotonic() - begin
        self.assertGreaterEqual(seconds, GRACE_SECONDS)
        self.assertLess(seconds, GRACE_SECONDS + LAST_RESORT_SECONDS + 5)
        self.assertIn("the stop is held up", daemon.log_text())
        _, client = self.start()
        self.assertEqual([entry["name"] for entry in client.json("list")["models"]],
                         ["org/kept"])
        client.json("verify", "org/kept")


class PoorStart(harness.EndToEndTest):
    """Started with less than a shell gives."""

    def test_without_standard_descriptors(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{taken.getsockname()[1]}"
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh",
             str(harness.BIN_DIR / "qstored"), "--listen", address,
             "--data-dir", str(self.data_dir)], env=clean_environment())
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        client = harness.Client(harness.BIN_DIR, address, retry_seconds=60)
        model = models.write_model(self.path / "m")
        for i in range(3):  # each of them logged, somewhere
            client.json("upload", model, f"org/m{i}")
        for descriptor in range(3):
            self.assertEqual(os.readlink(f"/proc/{process.pid}/fd/{descriptor}"), "/dev/null")
        # The client too: what it writes with its outputs closed is a file.
        target = self.path / "out"
        done = subprocess.run(
            ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *client.command("download", "org/m0", target)],
            env=client.environment(), timeout=60)
        self.assertEqual(done.returncode, 0)
        self.assert_same_files(model, target)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(60), 0)
        _, client = self.start()
        for i in range(3):
            client.json("verify", f"org/m{i}")

    def test_where_files_may_not_grow(self):
        small = models.write_model(self.path / "small", files={"a.txt": b"a"})
        large = models.write_large_model(self.path / "large", 2)
        daemon = self.start_daemon(prefix=("prlimit", f"--fsize={4 << 20}"))
        client = self.client_of(daemon)
        client.json("upload", small, "org/small")
        self.assert_fails(client.run("upload", large, "org/large"), "too large")
        self.assertIsNone(daemon.process.poll())
        client.json("verify", "org/small")
        client.json("upload", small, "org/again")
        self.assertEqual(daemon.stop(), 0)
        _, client = self.start()
        self.assertEqual([entry["name"] for entry in client.json("list")["models"]],
                         ["org/again", "org/small"])
        client.json("verify", "org/small")
