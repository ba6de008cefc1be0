"""A daemon works while calls on its disk fail; then it is started on a healthy disk.

Whatever fails: each call answers, or fails with a sentence that says why; what was
acknowledged is there and verifies, before and after the restart; the daemon lives,
and works again by itself when the disk does or says that it takes no writes; it
starts again, and stops. Needs tests/e2e's support on the path.
"""

import os
import shutil
import subprocess
import time

import grpc

import harness
import models
from failed_call_cases import DURATIONS
from failing_disk import FailingDisk
from qstore_process import clean_environment
from store_calls import StoreCalls, error_text

WRITES = "qstore.v1.ModelStore.writes"
# How long the daemon has to take writes again, or to say that it does not.
AGAIN_SECONDS = 60
# What a failed call may say instead of the error of the disk.
_OTHER_REASONS = ("takes no writes", "could not be looked at")
# Not the fault of what is looked at here: the client's clock, a lock of the store.
_SLOW_CODES = (grpc.StatusCode.DEADLINE_EXCEEDED,)


def _files(directory):
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


class Contents:
    """Models, and a store with some of them that each round begins with."""

    def __init__(self, bin_dir, directory):
        self.base = directory / "base"
        shared = models.gaussian((64, 64), "BF16", 99)
        made = {
            "org/kept": models.small_tensors("BF16", 64, 64, seed=10),
            # Two uploads share a table file when they share a tensor: deleting one
            # of them rewrites it.
            "org/old": {**models.small_tensors("BF16", 64, 64, seed=20), "shared": shared},
            "org/mixed": {**models.small_tensors("F16", 64, 64, seed=30), "shared": shared},
            "org/new": models.small_tensors("F32", 64, 64, seed=40),
            "org/newer": models.small_tensors("BF16", 64, 64, seed=50),
            "org/again": models.small_tensors("F16", 64, 64, seed=60),
            "org/last": models.small_tensors("F16", 64, 64, seed=70),
            # More than 8 MiB stored: a table file of its own.
            "org/large": {"embeddings.table": models.raw_tensor("I8", (9000, 1000), 7)},
        }
        self.directory_of, self.files_of = {}, {}
        for name, tensors in made.items():
            path = directory / name.replace("/", "-")
            models.write_model(path, tensors)
            self.directory_of[name], self.files_of[name] = path, _files(path)
        with harness.Daemon(bin_dir, self.base, directory / "base.log") as daemon:
            calls = StoreCalls(daemon.address)
            for name in ("org/old", "org/kept", "org/mixed"):
                calls.upload(name, self.files_of[name])
            calls.close()


class Round:
    """One daemon on one copy of the store, one case. `problems` collects sentences."""

    def __init__(self, bin_dir, directory, contents):
        self.bin_dir, self.directory, self.contents = bin_dir, directory, contents
        self.tree = directory / "disk"
        self.log_path = directory / "qstored.log"
        self.problems, self.errors = [], []
        shutil.rmtree(directory, ignore_errors=True)
        self.tree.mkdir(parents=True)
        shutil.copytree(contents.base, self.tree / "data")
        self.disk = FailingDisk(bin_dir, directory / "control", [self.tree])
        self.there = {"org/kept:latest", "org/old:latest", "org/mixed:latest"}
        self.gone = set()
        self.backup = None  # what an acknowledged one must hold
        self.daemon = self.calls = self.case = None

    # What is asked from outside.

    def count(self):
        """How many calls of each class there are when nothing fails."""
        self.disk.count()
        self._start()
        self._work()
        self._stop("term")
        self._check_restart()
        return self.disk.calls()

    def run(self, case):
        """Returns whether any call failed."""
        self.case = case
        self.disk.fail(case.classes, case.error, case.skip, case.count, case.effect)
        if self._start():
            self._work()
            if case.duration == "until healed":
                self.disk.heal()
            self._check_running()
            self._stop(case.stop)
        failed = self.disk.failed()
        if failed:
            if case.effect == "lost":
                self.disk.lose(self.tree)
            self._check_restart()
        return failed > 0

    # Steps.

    def _problem(self, text):
        self.problems.append(text)

    def _start(self, failing=True):
        """False when it does not start, as it may where calls fail."""
        environment = clean_environment(**(self.disk.environment() if failing else {}))
        try:
            self.daemon = harness.Daemon(
                self.bin_dir, self.tree / "data", self.log_path,
                flags=("--backup-dir", self.tree / "backups"), environment=environment)
        except RuntimeError as error:
            if not failing or "(status 1)" not in str(error) or not self.disk.failed():
                self._problem(f"does not start: {error}")
            elif not self._is_clear(str(error)):
                self._problem(f"does not say why it does not start: {error}")
            return False
        self.calls = StoreCalls(self.daemon.address)
        return True

    def _is_clear(self, text):
        reasons = [os.strerror(self.case.error)] if self.case and self.case.error else []
        return any(reason.lower() in text.lower() for reason in (*reasons, *_OTHER_REASONS))

    def _attempt(self, what, call, *arguments):
        """Whether the call was acknowledged."""
        try:
            call(*arguments)
            return True
        except grpc.RpcError as error:
            text = f"{what}: {error_text(error)}"
            self.errors.append(text)
            if self.daemon.process.poll() is not None:
                self._problem(f"{what}: the daemon ended with {self.daemon.process.returncode}: "
                              + self.daemon.log_text()[-400:])
            elif not self.disk.failed() or self.case.effect == "short":
                self._problem(f"failed although no call did: {text}")
            elif error.code() in _SLOW_CODES or not self._is_clear(text):
                self._problem(f"not clear: {text}")
            return False

    def _upload(self, name):
        if self._attempt(f"upload {name}", self.calls.upload, name,
                         self.contents.files_of[name]):
            self.there.add(name + ":latest")
            self.gone.discard(name + ":latest")
        else:
            self.gone.discard(name + ":latest")

    def _delete(self, name):
        reference = name + ":latest"
        if reference not in self.there:
            return
        self.there.discard(reference)
        if self._attempt(f"delete {name}", self.calls.delete, name):
            self.gone.add(reference)

    def _work(self):
        self._upload("org/new")
        self._upload("org/large")
        if self._attempt("tag", self.calls.tag, "org/kept", "stable"):
            self.there.add("org/kept:stable")
        self._delete("org/old")
        before = set(self.there)
        if self._attempt("backup", self.calls.backup, "b1"):
            self.backup = before
        self._delete("org/large")
        self._upload("org/newer")

    def _reads_may_fail(self):
        return self.case.reads_fail and self.case.duration == "for ever"

    def _get_over_failures(self):
        """Reads until no call is left that is to fail; each failure is clear."""
        for _ in range(2 * DURATIONS["a few"]):
            try:
                found = [problem for reference in sorted(self.calls.tags())
                         for problem in self.calls.problems(reference)]
            except grpc.RpcError as error:
                found = [error_text(error)]
            if not found:
                return
            for text in found:
                if not self._is_clear(text):
                    self._problem(f"not clear: {text}")

    def _check_contents(self, there, gone=(), reads_may_fail=False):
        if self.case is not None and self.case.reads_fail and not reads_may_fail:
            self._get_over_failures()
        try:
            tags = self.calls.tags()
            if lost := there - tags:
                self._problem(f"lost: {', '.join(sorted(lost))}")
            if back := set(gone) & tags:
                self._problem(f"came back: {', '.join(sorted(back))}")
            for reference in sorted(tags):
                for problem in self.calls.problems(reference):
                    if not reads_may_fail or not self._is_clear(problem):
                        self._problem(f"{reference}: {problem}")
            # The scrub may have been the one whose reads failed.
            reads_failed = self.case is not None and self.case.reads_fail
            for damage in self.calls.damage():
                if not reads_failed or not self._is_clear(damage):
                    self._problem(f"the scrub noted: {damage}")
        except grpc.RpcError as error:
            text = error_text(error)
            if not reads_may_fail or not self._is_clear(text):
                self._problem(f"cannot be read: {text}")
            elif error.code() == grpc.StatusCode.DATA_LOSS:
                self._problem(f"taken for damage: {text}")

    def _check_running(self):
        if self.daemon.process.poll() is not None:
            return
        self._check_contents(self.there, self.gone, self._reads_may_fail())
        if self.case.duration != "for ever":
            self._check_writes_again()

    def _check_writes_again(self):
        deadline = time.monotonic() + AGAIN_SECONDS
        while True:
            try:
                self.calls.upload("org/again", self.contents.files_of["org/again"])
                self.there.add("org/again:latest")
                return
            except grpc.RpcError as error:
                text = error_text(error)
            if time.monotonic() > deadline or self.daemon.process.poll() is not None:
                break
            time.sleep(0.1)
        try:
            serves = self.calls.serves(WRITES)
        except grpc.RpcError as error:
            serves = error_text(error)
        self._problem(f"takes no writes for good (health says {serves}): {text}")

    def _stop(self, how):
        self.calls.close()
        if self.daemon.process.poll() is not None:
            self._problem(f"ended with {self.daemon.process.returncode}: "
                          f"{self.daemon.log_text()[-400:]}")
        elif how == "kill":
            self.daemon.kill()
        else:
            try:
                status = self.daemon.stop()
                if status != 0:
                    self._problem(f"stopped with {status}: {self.daemon.log_text()[-400:]}")
            except subprocess.TimeoutExpired:
                self._problem("does not stop")
                self.daemon.kill()
        self.daemon.process.stdout.close()

    def _check_restart(self):
        """On a healthy disk."""
        if not self._start(failing=False):
            return
        self._check_contents(self.there, self.gone)
        name = sorted(self.there)[0].split(":")[0]
        client = harness.Client(self.bin_dir, self.daemon.address)
        target = self.directory / "out"
        try:
            client.json("download", name, target)
            if _files(target) != self.contents.files_of[name]:
                self._problem(f"{name} came back changed")
            self.calls.upload("org/last", self.contents.files_of["org/last"])
            if "org/last:latest" not in self.calls.tags():
                self._problem("an upload after the restart is not there")
            for reference in sorted(self.calls.tags()):
                self.calls.delete(reference.split(":")[0]) if ":latest" in reference else None
        except (RuntimeError, grpc.RpcError) as error:
            self._problem(f"after the restart: {error}")
        self._stop("term")
        self._check_backup()

    def _check_backup(self):
        backups = self.tree / "backups"
        found = {path.name for path in backups.iterdir()} if backups.exists() else set()
        if left := found - {"b1"}:
            self._problem(f"left among the backups: {', '.join(sorted(left))}")
        if self.backup is not None and "b1" not in found:
            self._problem("the backup is lost")
        if "b1" not in found:
            return
        shutil.rmtree(self.tree / "data")
        (backups / "b1").rename(self.tree / "data")
        if self._start(failing=False):
            self._check_contents(self.backup or set())
            self._stop("kill")
