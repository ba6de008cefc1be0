"""A client downloads to a disk of which calls fail; then it does so again.

Whatever fails: the command succeeds, or says why; nothing is to be seen until all
is there; the same command on a healthy disk goes on and ends with all files, and
leaves nothing else. Needs tests/e2e's support on the path.
"""

import os
import re
import shutil
import subprocess

import harness
import models
from directories import sha256_by_path
from failing_disk import FailingDisk

TIMEOUT_SECONDS = 120
PRECISIONS = ("original", "int8")


class Source:
    """A daemon with one model, of more than one chunk, and what downloads of it are."""

    def __init__(self, bin_dir, directory):
        self.bin_dir, self.directory = bin_dir, directory
        directory.mkdir(parents=True)
        model = models.write_model(directory / "model", {
            **models.small_tensors("BF16", 64, 64, seed=3),
            "layer.weight": models.gaussian((1024, 1024), "BF16", 4),
            # Three chunks, of which some are there when the disk fails.
            "table.weight": models.gaussian((6144, 2048), "BF16", 5)},
            files={"sub/notes.txt": b"notes"})
        self.daemon = harness.Daemon(bin_dir, directory / "data", directory / "qstored.log")
        self.client = harness.Client(bin_dir, self.daemon.address)
        self.client.json("upload", model, "org/model")
        self.digests, self.bytes_received = {}, {}
        for precision in PRECISIONS:
            target = directory / precision
            done = self.client.json("download", "org/model", target, "--precision", precision)
            self.digests[precision] = sha256_by_path(target)
            self.bytes_received[precision] = done["bytes_received"]
            shutil.rmtree(target)

    def close(self):
        self.daemon.stop()
        self.daemon.__exit__()


class ClientRound:
    """One case. `problems` collects sentences."""

    def __init__(self, source, directory, precision, exists):
        """`exists`: the directory is there already, with a file of its own."""
        self.source, self.directory, self.precision = source, directory, precision
        self.problems, self.errors = [], []
        self.went_on = False  # took over what the first attempt had
        shutil.rmtree(directory, ignore_errors=True)
        self.tree = directory / "disk"
        self.target = self.tree / "model"
        (self.target if exists else self.tree).mkdir(parents=True)
        self.own = {}
        if exists:
            (self.target / "own.txt").write_text("own")
            self.own = sha256_by_path(self.target)
        self.disk = FailingDisk(source.bin_dir, directory / "control", [self.tree])

    def count(self):
        self.disk.count()
        done = self._download(self.disk.environment())
        if done.returncode != 0:
            self.problems.append(done.stderr)
        return self.disk.calls()

    def run(self, case):
        """Returns whether any call failed."""
        self.disk.fail(case.classes, case.error, case.skip, case.count, case.effect)
        done = self._download(self.disk.environment())
        failed = self.disk.failed() > 0
        seen = sha256_by_path(self.target) if self.target.exists() else {}
        whole = {**self.own, **self.source.digests[self.precision]}
        if done.returncode == 0:
            if seen != whole:
                self.problems.append("succeeded without all files")
        elif not failed or case.effect == "short":
            self.problems.append(f"failed although no call did: {done.stderr}")
        else:
            self._check_failure(case, done, seen, whole)
        if case.effect == "lost":
            self.disk.lose(self.tree)
        if done.returncode == 0 and case.effect != "lost":
            return failed
        again = self._download({})
        received = re.search(r"bytes_received\": (\d+)", again.stdout)
        if received and failed and done.returncode != 0:
            self.went_on = (int(received.group(1)) <
                            self.source.bytes_received[self.precision])
        if again.returncode != 0:
            self.problems.append(f"on a healthy disk: {again.stderr}")
        elif sha256_by_path(self.target) != whole:
            self.problems.append("on a healthy disk: not all files, or others")
        if left := [path.name for path in self.tree.rglob(".*")]:
            self.problems.append(f"left: {left}")
        return failed

    def _check_failure(self, case, done, seen, whole):
        self.errors.append(done.stderr.strip())
        if done.returncode < 0:
            self.problems.append(f"died by signal {-done.returncode}: {done.stderr}")
        elif os.strerror(case.error).lower() not in done.stderr.lower():
            self.problems.append(f"not clear: {done.stderr.strip()}")
        # Files are put one by one into a directory that was there before.
        if self.own:
            half = {path: digest for path, digest in seen.items()
                    if not path.split("/")[0].startswith(".") and digest != whole.get(path)}
        else:
            half = seen if seen and seen != whole else {}
        if half:
            self.problems.append(f"half written: {sorted(half)}")

    def _download(self, environment):
        client = self.source.client
        command = client.command("--json", "download", "org/model", self.target,
                                 "--precision", self.precision)
        try:
            return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, timeout=TIMEOUT_SECONDS, check=False,
                                  env={**client.environment(), **environment})
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, -9, "", "hangs")
