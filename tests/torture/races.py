"""Several clients at one name: uploads beside uploads, deletions and readers.

Every upload succeeds, every revision that is listed is whole, a reader gets the
bytes of one revision or an error, and when everything is deleted nothing is left.
"""

import random
import subprocess
import sys
import time

from harness import Client, Daemon, left_of_nothing, sha256_by_path
import models

NAME = "org/contested"
CLIENT_TIMEOUT_SECONDS = 120


class Race:

    def __init__(self, context):
        self.random = random.Random(context.seed)
        self.directory = context.directory
        shared = models.gaussian((64, 64), "BF16", 5)
        self.models = [models.write_model(context.directory / f"m{number}", {
            **models.small_tensors(dtype, 96, 64, seed=10 * number), "shared.weight": shared})
            for number, dtype in enumerate(("BF16", "F16", "F32", "BF16"))]
        self.digests = [sha256_by_path(path) for path in self.models]
        self.daemon = Daemon(context.bin_dir, context.directory / "data",
                             context.directory / "qstored.log")
        self.client = Client(context.bin_dir, self.daemon.address)
        self.outputs = 0
        self.problems = 0

    def expect(self, condition, problem):
        if not condition:
            self.problems += 1
            print(f"races: {problem}", file=sys.stderr, flush=True)

    def output(self):
        self.outputs += 1
        return self.directory / f"out-{self.outputs}"

    def run_at_once(self, commands):
        """Starts all with small random pauses; returns (command, status, stderr)."""
        running = []
        for command in commands:
            time.sleep(self.random.choice((0, 0, 0.005, 0.02, 0.05)))
            running.append((command, self.client.start(*command)))
        done = []
        for command, process in running:
            _, errors = process.communicate(timeout=CLIENT_TIMEOUT_SECONDS)
            done.append((command, process.returncode, errors.strip()))
        return done

    def uploads(self, count):
        return [("upload", model, f"{NAME}:t{self.random.randrange(2)}")
                for model in self.random.sample(self.models, count)]

    def uploads_of_one_name(self):
        for command, status, errors in self.run_at_once(self.uploads(3)):
            self.expect(status == 0, f"{command}: {errors}")

    def uploads_beside_deletions_and_readers(self):
        commands = self.uploads(2)
        commands += [("delete", f"{NAME}:t{number}") for number in range(2)]
        commands += [("download", f"{NAME}:t{self.random.randrange(2)}", self.output())
                     for _ in range(2)]
        self.random.shuffle(commands)
        for command, status, errors in self.run_at_once(commands):
            if command[0] == "upload":
                self.expect(status == 0, f"{command}: {errors}")
            elif status != 0:
                self.expect(status == 1 and errors.count("\n") == 0, f"{command}: {errors}")
            elif command[0] == "download":
                self.check_files(command[2], f"{command}")

    def check_files(self, target, what):
        self.expect(sha256_by_path(target) in self.digests, f"wrong bytes: {what}, {target}")
        subprocess.run(["rm", "-r", target], check=True)

    def check_all(self, delete):
        for entry in self.client.json("list")["models"]:
            for revision in entry["revisions"]:
                reference, target = f"{entry['name']}@{revision}", self.output()
                self.client.json("download", reference, target)
                self.check_files(target, reference)
                self.client.json("verify", reference)
                if delete:
                    self.client.json("delete", reference)

    def finish(self, context):
        self.check_all(delete=True)
        self.daemon.stop()
        self.daemon.process.stdout.close()
        log_path = self.directory / "after.log"
        with Daemon(context.bin_dir, self.daemon.data_dir, log_path):
            left = left_of_nothing(self.daemon.data_dir)
            self.expect("nothing to sweep" in log_path.read_text(), log_path.read_text())
            self.expect(not left, f"left of nothing: {left}")


def run(context):
    race = Race(context)
    rounds = {race.uploads_of_one_name: 0, race.uploads_beside_deletions_and_readers: 0}
    found = dict.fromkeys(rounds, 0)
    end = time.monotonic() + context.seconds
    while time.monotonic() < end:
        kind = race.random.choice(list(rounds))
        before = race.problems
        kind()
        race.check_all(delete=race.random.random() < 0.3)
        rounds[kind] += 1
        found[kind] += race.problems - before
    before = race.problems
    race.finish(context)
    found[race.uploads_beside_deletions_and_readers] += race.problems - before
    return [(f"at once: {kind.__name__.replace('_', ' ')}", rounds[kind], found[kind])
            for kind in rounds]
