"""Rounds of work, power cut and restart, with a model of what must be there.

A name is stored when its upload was acknowledged, absent when its deletion was
(or nothing was ever sent), in doubt while a call runs. After a cut the daemon
must start by itself; what is stored must be whole, what is absent must be
absent, what was in doubt must be one of both. Needs tests/e2e's harness and
models on the path.
"""

import random
import shutil
import threading

import harness
import models
from cut_disk import Disk
from qstore_process import clean_environment

NAMES_PER_WORKER = 3
WORKERS = 2
BACKUPS_KEPT = 2
STORED, ABSENT, IN_DOUBT = "stored", "absent", "in doubt"


class Rounds:
    """`problems` collects sentences; `cuts` and `calls` count what was tried."""

    def __init__(self, bin_dir, directory, seed, lose_syncs=False):
        self.bin_dir, self.directory = bin_dir, directory
        self.random = random.Random(seed)
        self.disk = Disk(directory / "disk", directory / "journal",
                         bin_dir / "libpowercut.so")
        self.environment = clean_environment(
            **self.disk.environment(lose_syncs))
        names = [f"org/m{number}" for number in range(WORKERS * NAMES_PER_WORKER)]
        self.model_of = {name: self._write_model(number)
                         for number, name in enumerate(names)}
        self.names_of_worker = [names[worker::WORKERS] for worker in range(WORKERS)]
        self.state = dict.fromkeys(names, ABSENT)
        # Backups that were acknowledged, each with names that must be in it.
        self.backups = {}
        self.problems, self.cuts, self.calls, self.pending = [], 0, 0, 0
        self.lock = threading.Lock()
        self.daemon = None

    def _write_model(self, number):
        path = self.directory / f"model-{number}"
        if number == 0:
            # More than 8 MiB stored: a table file of its own.
            return models.write_large_model(path, 1, 4096, 1536, "F32")
        # Two of a kind share their tensors.
        tensors = models.small_tensors("BF16", 600, 200, seed=10 * (number // 2))
        return models.write_model(path, tensors, files={"n.txt": b"%d" % number})

    def run_round(self):
        """Starts, checks, works until a cut. False when it cannot go on."""
        if not self._start():
            return False
        self._check()
        self._work()
        self.pending += self.disk.cut(self.random)
        self.cuts += 1
        return True

    def finish(self):
        """Checks the last cut; nothing may be left when all is deleted."""
        if not self._start():
            return
        self._check()
        client = harness.Client(self.bin_dir, self.daemon.address)
        for entry in client.json("list")["models"]:
            client.json("delete", entry["name"])
        left = [path for path in (self.disk.root / "data").rglob("*.sst")
                if path.stat().st_size > 100_000]
        if left:
            self._problem(f"orphans: {left}")
        self.daemon.stop()
        self.daemon.__exit__()

    def _problem(self, text):
        with self.lock:
            self.problems.append(f"after cut {self.cuts}: {text}")

    def _start(self):
        try:
            self.daemon = harness.Daemon(
                self.bin_dir, self.disk.root / "data", self.directory / "qstored.log",
                flags=("--backup-dir", self.disk.root / "backups"),
                environment=self.environment)
            return True
        except RuntimeError as error:
            self._problem(f"does not start: {error}")
            return False

    # Checking

    def _check(self):
        client = harness.Client(self.bin_dir, self.daemon.address)
        try:
            self._check_store(client, self.state, "the store")
            listed = self._listed(client)
            self.state = {name: STORED if name in listed else ABSENT
                          for name in self.state}
            self._check_backups()
        except RuntimeError as error:
            self._problem(str(error))

    def _listed(self, client):
        return {entry["name"] for entry in client.json("list")["models"]}

    def _check_store(self, client, state, where):
        listed = self._listed(client)
        for name, expected in state.items():
            if expected == STORED and name not in listed:
                self._problem(f"{where}: {name} is lost")
            if expected == ABSENT and name in listed:
                self._problem(f"{where}: {name} came back")
        for name in listed:
            client.json("verify", name)
        for name in self.random.sample(sorted(listed), min(1, len(listed))):
            target = self.directory / "out"
            client.json("download", name, target)
            if (harness.sha256_by_path(target) !=
                    harness.sha256_by_path(self.model_of[name])):
                self._problem(f"{where}: {name} differs")
            shutil.rmtree(target)

    def _check_backups(self):
        directory = self.disk.root / "backups"
        seen = {path.name for path in directory.iterdir()}
        for name in self.backups:
            if name not in seen:
                self._problem(f"backup {name} is lost")
        self.backups = {name: kept for name, kept in self.backups.items() if name in seen}
        if self.backups:
            name = self.random.choice(sorted(self.backups))
            restored = self.directory / "restored"
            shutil.copytree(directory / name, restored)
            with harness.Daemon(self.bin_dir, restored,
                                self.directory / "restored.log") as daemon:
                self._check_store(
                    harness.Client(self.bin_dir, daemon.address),
                    dict.fromkeys(self.backups[name], STORED), f"backup {name}")
            shutil.rmtree(restored)
        for name in sorted(seen)[:-BACKUPS_KEPT]:
            shutil.rmtree(directory / name)
            self.backups.pop(name, None)

    # Work

    def _work(self):
        self.killed = threading.Event()
        self.running = set()
        threads = [threading.Thread(target=self._change, args=(names, self.random.random()))
                   for names in self.names_of_worker]
        threads.append(threading.Thread(target=self._back_up))
        for thread in threads:
            thread.start()
        self.killed.wait(self.random.uniform(0.05, 1.2))
        with self.lock:
            self.killed.set()
        self.daemon.kill()
        self.daemon.__exit__()
        with self.lock:
            for process in self.running:
                process.kill()
        for thread in threads:
            thread.join()

    def _call(self, *arguments):
        """Whether the call was acknowledged."""
        client = harness.Client(self.bin_dir, self.daemon.address)
        with self.lock:
            if self.killed.is_set():
                return False
            process = client.start(*arguments)
            self.running.add(process)
            self.calls += 1
        _, errors = process.communicate()
        with self.lock:
            self.running.discard(process)
            killed = self.killed.is_set()
        if process.returncode != 0 and not killed:
            self._problem(f"{' '.join(map(str, arguments))}: {errors.strip()}")
        return process.returncode == 0

    def _change(self, names, seed):
        generator = random.Random(seed)
        while not self.killed.is_set():
            name = generator.choice(names)
            with self.lock:
                before, self.state[name] = self.state[name], IN_DOUBT
            if before == STORED:
                done, after = self._call("delete", name), ABSENT
            else:
                done, after = self._call("upload", self.model_of[name], name), STORED
            with self.lock:
                if done:
                    self.state[name] = after

    def _back_up(self):
        number = 0
        while not self.killed.wait(0.2):
            number += 1
            name = f"b{self.cuts:06d}-{number:03d}"
            with self.lock:
                before = {one for one, state in self.state.items() if state == STORED}
            done = self._call("backup", name)
            with self.lock:
                after = {one for one, state in self.state.items() if state == STORED}
                # One that was deleted and stored again meanwhile would be in
                # neither; it takes several calls, a backup is one.
                if done:
                    self.backups[name] = before & after
