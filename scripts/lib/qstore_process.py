"""Runs qstored and qstore-client as processes of their own."""

import json
import os
import pathlib
import re
import select
import signal
import subprocess
import time

START_TIMEOUT_SECONDS = 60
_ADDRESS = re.compile(r"((?:\d{1,3}\.){3}\d{1,3}|localhost|\[[0-9a-f:]+\]):(\d+)")
# Before a command that shall not outlive this process. A preexec_fn would do too,
# but Python forks for one, and gRPC in this process lets no fork happen while it
# has calls; without one it uses vfork, which gRPC does not see.
_DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL")


def clean_environment(**extra):
    """This process's environment without QSTORE_ settings, plus `extra`."""
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith("QSTORE_")}
    environment.update(extra)
    return environment


class Daemon:
    """A running qstored on a port of the system's choice.

    `prefix` goes before the command (`prlimit`, say). Standard error goes to
    `log_path`; a daemon that does not serve raises RuntimeError with its text.
    """

    def __init__(self, bin_dir, data_dir, log_path, flags=(), prefix=(),
                 environment=None, listen="127.0.0.1:0", set_flags=True,
                 program="qstored"):
        command = [*prefix, str(pathlib.Path(bin_dir) / program)]
        if set_flags:
            command += ["--listen", listen, "--data-dir", str(data_dir)]
        self.data_dir = pathlib.Path(data_dir)
        self.log_path = pathlib.Path(log_path)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*_DIE_WITH_PARENT, *command, *flags], stdout=subprocess.PIPE, stderr=log,
                stdin=subprocess.DEVNULL, env=environment or clean_environment())
        self.line = self._first_line()
        found = _ADDRESS.search(self.line)
        if not found:
            self.kill()
            raise RuntimeError(f"qstored named no address in: {self.line!r}")
        self.address = found.group(0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()
        self.process.stdout.close()

    @property
    def pid(self):
        return self.process.pid

    def _first_line(self):
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        text = b""
        while b"\n" not in text:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, left))
            piece = os.read(self.process.stdout.fileno(), 4096) if ready else b""
            if not piece:
                self.process.kill()
                status = self.process.wait()
                self.process.stdout.close()
                raise RuntimeError(f"qstored did not serve (status {status}): "
                                   f"{self.log_text()}")
            text += piece
        return text.decode().splitlines()[0]

    def log_text(self):
        return self.log_path.read_text(errors="replace")

    def stop(self, timeout_seconds=60):
        """SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout_seconds)

    def kill(self):
        """SIGKILL, as a crash does."""
        self.process.kill()
        self.process.wait()

    def peak_resident_bytes(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"^VmHWM:\s+(\d+) kB", status, re.M).group(1)) * 1024


class Client:
    """Calls qstore-client against one server.

    It does not try again unless told to: most callers want to see the first
    failure.
    """

    def __init__(self, bin_dir, address, retry_seconds=0):
        self.program = str(pathlib.Path(bin_dir) / "qstore-client")
        self.address = address
        self.retry_seconds = retry_seconds

    def environment(self):
        return clean_environment(QSTORE_RETRY_FOR=str(self.retry_seconds))

    def command(self, *arguments):
        return [self.program, "--server", self.address, *map(str, arguments)]

    def run(self, *arguments, timeout_seconds=600, environment=None):
        """Returns the finished process with its output as text."""
        return subprocess.run(
            self.command(*arguments), stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=timeout_seconds, env=environment or self.environment())

    def start(self, *arguments, stdout=subprocess.PIPE):
        """Starts the command and does not wait for it."""
        return subprocess.Popen(
            [*_DIE_WITH_PARENT, *self.command(*arguments)], stdin=subprocess.DEVNULL,
            stdout=stdout, stderr=subprocess.PIPE, text=True, env=self.environment())

    def peak_resident_bytes_of(self, *arguments):
        """Runs the command; returns its peak memory, or raises RuntimeError."""
        process = self.start(*arguments, stdout=subprocess.DEVNULL)
        errors = process.stderr.read()
        process.stderr.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise RuntimeError(f"qstore-client {arguments[0]}: status "
                               f"{process.returncode}: {errors.strip()}")
        return usage.ru_maxrss * 1024

    def json(self, *arguments, timeout_seconds=600):
        """Runs with --json; returns what was printed, or raises RuntimeError."""
        done = self.run("--json", *arguments, timeout_seconds=timeout_seconds)
        if done.returncode != 0:
            raise RuntimeError(f"qstore-client {' '.join(map(str, arguments))}: status "
                               f"{done.returncode}: {done.stderr.strip()}")
        return json.loads(done.stdout)
