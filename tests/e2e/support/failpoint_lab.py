"""Runs one command with one failpoint armed, then checks every promise.

A case is a failpoint and an action. After it, whatever happened: the daemon
starts by itself and says what it swept, an acknowledged revision is whole, one
that is not is invisible, and when everything is deleted nothing is left.
"""

import pathlib
import re
import shutil
import subprocess
import threading
import time

import failpoint_cases
from harness import Client, Daemon, left_of_nothing, sha256_by_path
import models
from qstore_process import clean_environment

PROGRAM = "qstored_failpoints"
ACTIONS = ("crash", "1*error(INTERNAL)", "1*delay(20)")
# Little enough that the first tensor of org/remembered is remembered.
CHECKPOINT_FLAGS = ("--checkpoint-every", "1MiB")
# How long a client may go on once its server has died.
CLIENT_SECONDS = 2
# How long the collector may take to begin with what was deleted.
COLLECTOR_SECONDS = 30


class Lab:
    """Stores to start from and models to upload, made once; cases may run in threads."""

    def __init__(self, bin_dir, directory):
        self.bin_dir = pathlib.Path(bin_dir)
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self._number = 0
        self._lock = threading.Lock()
        shared = models.small_tensors("BF16", 64, 64, seed=1)
        self.models = {
            "org/kept": models.write_model(self.directory / "kept", shared),
            # One tensor is the first model's: it stays when that is deleted.
            "org/shared": models.write_model(self.directory / "shared", {
                **models.small_tensors("BF16", 64, 64, seed=50),
                "encoder.layer.0.query.weight": shared["encoder.layer.0.query.weight"]}),
            "org/new": models.write_model(
                self.directory / "new", models.small_tensors("F16", 96, 64, seed=100)),
            # Incompressible, so that the object is large enough for a table of its own.
            "org/large": models.write_model(self.directory / "large", {
                "embeddings.table": models.raw_tensor("I8", (9000, 1000), 7)}),
            "org/remembered": models.write_model(self.directory / "remembered", {
                "embeddings.first": models.raw_tensor("I8", (2000, 1000), 8),
                "embeddings.second": models.raw_tensor("I8", (1200, 1000), 9)}),
        }
        self.digests = {name: sha256_by_path(path) for name, path in self.models.items()}
        self._make_stores()

    def _make_stores(self):
        store = self.directory / "store"
        with self.daemon(store) as daemon:
            for name in ("org/kept", "org/shared"):
                self.client(daemon).json("upload", self.models[name], name)
        leftovers = self.directory / "leftovers"
        shutil.copytree(store, leftovers)
        with self.daemon(leftovers) as daemon:
            self.client(daemon).json("upload", self.models["org/new"], "org/new")
        self.crash(leftovers, "collect.written", "delete", "org/new")
        # Not opened in between: the next process would sweep the first leftover.
        plain = self.directory / "plain"
        shutil.copytree(leftovers, plain)
        self.crash(plain, "object.ingested", "upload", self.models["org/new"], "org/new")
        uploads = self.directory / "uploads"
        shutil.copytree(store, uploads)
        self.crash(uploads, "checkpoint.written", "upload",
                   self.models["org/remembered"], "org/remembered",
                   flags=("--resume-window", "1"))
        time.sleep(2.1)  # the window, by a clock of seconds
        self.stores = {"store": store, "data": leftovers, "objects": plain, "uploads": uploads}

    def crash(self, data_dir, point, *command, flags=()):
        """A client's command that kills its server at a point."""
        daemon = self.daemon(data_dir, f"{point}=crash", flags=flags)
        self.run_client(daemon, *command)
        if daemon.process.wait(30) != -9:
            raise RuntimeError(f"{point} was not reached by {command[0]}")
        daemon.process.stdout.close()

    def daemon(self, data_dir, failpoints="", log_path=None, flags=()):
        return Daemon(self.bin_dir, data_dir, log_path or f"{data_dir}.log",
                      flags=(*CHECKPOINT_FLAGS, *flags),
                      environment=clean_environment(QSTORE_FAILPOINTS=failpoints),
                      program=PROGRAM)

    def client(self, daemon):
        return Client(self.bin_dir, daemon.address)

    def run_client(self, daemon, *command):
        """The client's exit status; None when its server died and it was ended."""
        process = self.client(daemon).start(*command)
        try:
            while True:
                try:
                    process.communicate(timeout=CLIENT_SECONDS)
                    return process.returncode
                except subprocess.TimeoutExpired:
                    if daemon.process.poll() is not None:
                        return None
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()

    def run(self, point, action):
        """Runs a case; returns whether the point was reached, and the problems.

        An action with a hit of its own ("crash@7") need not be reached.
        """
        must_reach = "@" not in action
        if must_reach and point in failpoint_cases.FIRST_HITS:
            action += f"@{failpoint_cases.FIRST_HITS[point]}"
        with self._lock:
            self._number += 1
            directory = self.directory / f"case-{self._number}"
        directory.mkdir()
        case = Case(self, point, action, directory, must_reach)
        try:
            case.run()
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            case.problems.append(f"{error}")
        repeat = f"{point}={action} during {case.command}"
        if not case.problems:
            shutil.rmtree(directory)
        return case.reached, [f"{repeat}: {problem}" for problem in case.problems]


class Case:

    def __init__(self, lab, point, action, directory, must_reach):
        self.lab, self.point, self.action, self.directory = lab, point, action, directory
        self.must_reach = must_reach
        self.second_status = None
        self.reached = False
        self.command = failpoint_cases.COMMANDS[point]
        self.data_dir = directory / "data"
        self.problems = []

    @property
    def is_crash(self):
        return self.action.startswith("crash")

    def fired(self, log_text):
        return f"failpoint {self.point}: " in log_text

    def expect(self, condition, problem):
        if not condition:
            self.problems.append(problem)

    def run(self):
        acknowledged = self.run_armed()
        log = (self.directory / "armed.log").read_text(errors="replace")
        self.reached = self.fired(log)
        self.expect(self.reached or not self.must_reach, "the point was not reached")
        if "delay" in self.action or not self.reached:
            self.expect(acknowledged, "the command failed without an error")
        elif self.is_crash:
            self.expect(not acknowledged or self.point in failpoint_cases.COLLECTOR,
                        "acknowledged by a process that had died")
        self.check_restart(acknowledged)
        self.check_nothing_is_left()

    def run_armed(self):
        """Whether the command was acknowledged (a start: whether it served)."""
        if self.command == "sweep":
            kind = failpoint_cases.SWEPT_STORES.get(self.point, "objects")
            shutil.copytree(self.lab.stores[kind], self.data_dir)
        elif self.command != "new":
            shutil.copytree(self.lab.stores["store"], self.data_dir)
        try:
            daemon = self.lab.daemon(self.data_dir, f"{self.point}={self.action}",
                                     self.directory / "armed.log")
        except RuntimeError as error:
            self.expect(self.command in ("new", "start", "sweep"), f"{error}")
            self.expect(not self.is_crash or "status -9" in str(error), f"{error}")
            return False
        with daemon:
            if self.command in ("new", "start", "sweep"):
                return True
            acknowledged = self.run_command(daemon) == 0
            if self.point in failpoint_cases.COLLECTOR and self.must_reach:
                self.wait_until_fired(daemon)
            fired = self.fired(daemon.log_text())
            if self.is_crash and fired:
                self.expect(daemon.process.wait(30) == -9, "the process did not die")
                return acknowledged
            self.expect(daemon.process.poll() is None, "the process died")
            # One that is armed for a later hit may be ahead still.
            if "error" in self.action and fired:
                self.check_again(daemon, acknowledged)
            return acknowledged

    def wait_until_fired(self, daemon):
        deadline = time.monotonic() + COLLECTOR_SECONDS
        while not self.fired(daemon.log_text()) and time.monotonic() < deadline:
            time.sleep(0.01)

    def run_command(self, daemon):
        models_of = self.lab.models
        return self.lab.run_client(daemon, *{
            "upload": ("upload", models_of["org/new"], "org/new"),
            "large": ("upload", models_of["org/large"], "org/large"),
            "checkpoint": ("upload", models_of["org/remembered"], "org/remembered"),
            "delete": ("delete", "org/kept"),
            "tag": ("tag", "org/kept", "prod"),
            "list": ("list",),
            "download": ("download", "org/kept", self.directory / "armed"),
            "verify": ("verify", "org/kept"),
        }[self.command])

    def check_again(self, daemon, acknowledged):
        """The error has passed: the same process does what it was asked."""
        status = self.run_command(daemon)
        repeatable = self.command not in ("download", "delete")
        self.expect(status == 0 or (acknowledged and not repeatable)
                    or self.command == "delete" and not self.listed(daemon, "org/kept"),
                    "the command fails once more, without a fault")
        self.second_status = status
        # What could not be collected is when the next reader has gone.
        self.lab.client(daemon).json("verify", "org/shared")

    def listed(self, daemon, name):
        return any(entry["name"] == name
                   for entry in self.lab.client(daemon).json("list")["models"])

    def check_restart(self, acknowledged):
        log_path = self.directory / "after.log"
        with self.lab.daemon(self.data_dir, log_path=log_path) as daemon:
            swept = re.search(r"nothing to sweep|swept what .*", log_path.read_text())
            self.expect(swept, "the start does not say what it swept")
            said = swept.group(0) if swept else ""
            wanted = failpoint_cases.SWEPT_AFTER_CRASH.get(self.point)
            if self.is_crash and self.must_reach and wanted:
                self.expect(re.search(wanted, said), f"swept, as it says: {said}")
            if not self.is_crash and self.command not in ("new", "start", "sweep"):
                self.expect(said == "nothing to sweep", f"after a clean stop: {said}")
            self.check_models(daemon, acknowledged)
            if self.command == "checkpoint" and self.is_crash:
                self.check_goes_on(daemon)
            for entry in self.lab.client(daemon).json("list")["models"]:
                for revision in entry["revisions"]:
                    self.lab.client(daemon).json("delete", f"{entry['name']}@{revision}")

    def check_goes_on(self, daemon):
        """The upload that was cut off goes on from what is remembered, if anything is."""
        client = self.lab.client(daemon)
        result = client.json("upload", self.lab.models["org/remembered"], "org/remembered")
        remembered = self.point == "checkpoint.written" and self.reached
        self.expect(result["resumed_bytes"] > 2_000_000 or not remembered,
                    f"{result['resumed_bytes']} bytes of it were remembered")
        target = self.directory / "went-on"
        client.json("download", "org/remembered", target)
        self.expect(sha256_by_path(target) == self.lab.digests["org/remembered"],
                    "what went on has other bytes")

    def check_models(self, daemon, acknowledged):
        client = self.lab.client(daemon)
        names = {entry["name"] for entry in client.json("list")["models"]}
        done = acknowledged or self.second_status == 0
        wanted = set() if self.command == "new" else {"org/kept", "org/shared"}
        optional = set()
        uploaded = {"upload": "org/new", "large": "org/large",
                    "checkpoint": "org/remembered"}.get(self.command)
        if uploaded:
            (wanted if done else optional).add(uploaded)
            # Later tables are those of the commit and of the collection after it.
            committed = (self.point in failpoint_cases.COMMITTED or
                         not self.must_reach and self.point.startswith("table."))
            if not committed:
                optional.clear()
        if self.command == "delete":
            wanted.discard("org/kept")
            if not done:
                optional.add("org/kept")
        self.expect(wanted <= names, f"lost: {wanted - names}")
        self.expect(names <= wanted | optional, f"visible: {names - wanted - optional}")
        for name in names:
            target = self.directory / f"out-{name.replace('/', '-')}"
            client.json("download", name, target)
            self.expect(sha256_by_path(target) == self.lab.digests[name],
                        f"{name} has other bytes")
            client.json("verify", name)

    def check_nothing_is_left(self):
        log_path = self.directory / "empty.log"
        with self.lab.daemon(self.data_dir, log_path=log_path):
            self.expect("nothing to sweep" in log_path.read_text(),
                        "deletion left something: " + log_path.read_text().strip())
            left = left_of_nothing(self.data_dir)
            self.expect(not left, f"left of nothing: {left}")
