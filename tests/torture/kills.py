"""kill -9 of the daemon at random moments, again and again in one store.

After each kill the daemon starts by itself and says what it swept; what was
acknowledged is there byte for byte, what was not is whole or not to be seen;
when everything is deleted, nothing is left.
"""

import concurrent.futures
import random
import subprocess
import sys
import time

from harness import Client, Daemon, left_of_nothing, sha256_by_path
import models

WORKERS = 2
ROUNDS_BETWEEN_EMPTYINGS = 25
NAMES = ("org/a", "org/b", "org/c")
# A share of the command's usual time, from and to, and what is running then.
WINDOWS = {"upload": (0.0, 0.8), "commit": (0.5, 1.1), "deletion, collection": (0.1, 1.1)}
AFTER = "just after the answer"


def write_models(directory):
    """Small ones that share a tensor, and one with a table file of its own."""
    made = {}
    shared = models.gaussian((64, 64), "BF16", 5)
    for number, dtype in enumerate(("BF16", "F16", "F32")):
        tensors = models.small_tensors(dtype, 64, 64, seed=10 * number)
        made[f"small-{number}"] = {**tensors, "shared.weight": shared}
    made["large"] = {"embeddings.table": models.raw_tensor("I8", (9000, 1000), 7),
                     "shared.weight": shared}
    return {name: models.write_model(directory / name, tensors)
            for name, tensors in made.items()}


class Problem(Exception):
    """A promise that was not kept."""


class Worker:

    def __init__(self, bin_dir, directory, model_dirs, seed):
        self.bin_dir, self.directory, self.model_dirs = bin_dir, directory, model_dirs
        self.random = random.Random(seed)
        self.digests = {key: sha256_by_path(path) for key, path in model_dirs.items()}
        self.held = {}       # model name -> key of its acknowledged content
        self.doubtful = None  # (name, key before, key after), None for absent
        self.usual_seconds = {}  # of a command that nobody kills
        self.kills = dict.fromkeys((*WINDOWS, AFTER), 0)
        self.rounds = 0
        directory.mkdir()

    def start(self):
        log_path = self.directory / "qstored.log"
        log_path.unlink(missing_ok=True)
        return Daemon(self.bin_dir, self.directory / "data", log_path)

    def learn_usual_seconds(self):
        daemon = self.start()
        client = Client(self.bin_dir, daemon.address)
        for kind, key in (("upload", "small-0"), ("large", "large")):
            begin = time.monotonic()
            client.json("upload", self.model_dirs[key], NAMES[0])
            self.usual_seconds[kind] = time.monotonic() - begin
            begin = time.monotonic()
            client.json("delete", NAMES[0])
            self.usual_seconds["delete"] = time.monotonic() - begin
        daemon.kill()
        daemon.process.stdout.close()

    def round(self):
        self.rounds += 1
        daemon = self.start()
        self.check(daemon)
        if self.rounds % ROUNDS_BETWEEN_EMPTYINGS == 0:
            daemon = self.empty(daemon)
        window, command, doubtful = self.choose()
        process = Client(self.bin_dir, daemon.address).start(*command)
        kind = "large" if doubtful[2] == "large" else command[0]
        begin = time.monotonic()
        low, high = WINDOWS[window]
        try:
            process.wait(self.random.uniform(low, high) * self.usual_seconds[kind])
            # Learns how long the command takes on this machine, now.
            seconds = time.monotonic() - begin
            self.usual_seconds[kind] += 0.3 * (seconds - self.usual_seconds[kind])
        except subprocess.TimeoutExpired:
            self.usual_seconds[kind] *= 1.05
        daemon.kill()
        daemon.process.stdout.close()
        try:
            process.communicate(timeout=2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        self.kills[window if process.returncode != 0 else AFTER] += 1
        name, _, after = self.doubtful = doubtful
        if process.returncode == 0:
            self.doubtful = None
            self.adopt(name, after)

    def adopt(self, name, key):
        if key is None:
            self.held.pop(name, None)
        else:
            self.held[name] = key

    def choose(self):
        """A window, a command, and what it is about to change."""
        name = self.random.choice(NAMES)
        before = self.held.get(name)
        if before is not None:
            # By its only tag, so that a name never has two revisions.
            return "deletion, collection", ("delete", name), (name, before, None)
        key = self.random.choice(list(self.model_dirs))
        return (self.random.choice(("upload", "commit")),
                ("upload", self.model_dirs[key], name), (name, None, key))

    def check(self, daemon):
        if "nothing to sweep" not in daemon.log_text() and "swept" not in daemon.log_text():
            raise Problem("the start does not say what it swept")
        if "not everything could be swept" in daemon.log_text():
            raise Problem(daemon.log_text().strip())
        client = Client(self.bin_dir, daemon.address)
        names = {entry["name"] for entry in client.json("list")["models"]}
        to_read = [self.random.choice(list(self.held))] if self.held else []
        if self.doubtful:
            name, before, after = self.doubtful
            self.adopt(name, (after or before) if name in names else None)
            if name in names:
                to_read.append(name)
            self.doubtful = None
        if names != set(self.held):
            raise Problem(f"there are {sorted(names)}, but acknowledged {self.held}")
        for name in dict.fromkeys(to_read):
            self.read(client, name)

    def read(self, client, name):
        if name not in self.held:
            return
        target = self.directory / f"out-{self.rounds}"
        client.json("download", name, target)
        if sha256_by_path(target) != self.digests[self.held[name]]:
            raise Problem(f"{name} has other bytes than {self.held[name]}, see {target}")
        subprocess.run(["rm", "-r", target], check=True)
        client.json("verify", name)

    def empty(self, daemon):
        """Reads and deletes all; the next process must find nothing."""
        client = Client(self.bin_dir, daemon.address)
        for name in list(self.held):
            self.read(client, name)
            client.json("delete", name)
        self.held.clear()
        # A stop leaves time to delete; a kill would leave the rest to the sweep.
        daemon.stop()
        daemon.process.stdout.close()
        daemon = self.start()
        left = left_of_nothing(self.directory / "data")
        if left or "nothing to sweep" not in daemon.log_text():
            raise Problem(f"left of nothing: {left}; {daemon.log_text().strip()}")
        return daemon

    def run_until(self, end):
        """The number of problems; a worker stops at its first one."""
        try:
            self.learn_usual_seconds()
            while time.monotonic() < end:
                self.round()
            self.check(daemon := self.start())
            self.empty(daemon).kill()
        except (Problem, RuntimeError) as problem:
            print(f"kills: round {self.rounds} in {self.directory}: {problem}",
                  file=sys.stderr, flush=True)
            return 1
        return 0


def run(context):
    model_dirs = write_models(context.directory)
    workers = [Worker(context.bin_dir, context.directory / f"worker-{number}", model_dirs,
                      context.seed + number) for number in range(WORKERS)]
    end = time.monotonic() + context.seconds
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as threads:
        found = sum(threads.map(lambda worker: worker.run_until(end), workers))
    rows = [(f"kill -9 of the daemon: {window}",
             sum(worker.kills[window] for worker in workers), 0)
            for window in WINDOWS]
    after = sum(worker.kills[AFTER] for worker in workers)
    rows.append((f"starts after a kill -9 ({after:,} {AFTER})",
                 sum(worker.rounds for worker in workers), found))
    return rows
