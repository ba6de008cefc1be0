"""Uploads and downloads that are cut off at random moments and go on.

Each round moves one model of 40 MB through a proxy that cuts all connections
up to five times, after a random number of bytes, or kills the client and runs
it again. Every byte must arrive, and no more travel again than the chunks that
were open and what lay on the way.
"""

import json
import pathlib
import random
import shutil
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
for folder in ("scripts", "scripts/lib", "tests/e2e/support"):
    sys.path.insert(0, str(ROOT / folder))

import models  # noqa: E402
from cutting_proxy import CuttingProxy  # noqa: E402
from directories import sha256_by_path, total_bytes  # noqa: E402
from qstore_process import Client, Daemon  # noqa: E402

REFERENCE = "torture/resume"
MAX_CUTS = 5
RETRY_SECONDS = 60
ROUND_TIMEOUT_SECONDS = 180
# Of one cut: the tensors that were open (4 MiB each, one a decoding thread), and
# buffers of sockets, the proxy and gRPC.
LOST_BYTES_PER_CUT = 24 << 20
OVERHEAD_BYTES = 1 << 20


class Round:
    """One command, its cuts and what came of it."""

    def __init__(self, generator, proxy, client):
        self.generator = generator
        self.proxy = proxy
        self.client = client
        self.cuts = 0

    def run(self, limit, to_client, *arguments):
        """The command's JSON; cuts after up to `limit` bytes at a time."""
        wanted = self.generator.randint(1, MAX_CUTS)
        process = self.client.start("--json", *arguments)
        deadline = time.monotonic() + ROUND_TIMEOUT_SECONDS
        before = self.proxy.cuts
        armed = None
        while process.poll() is None:
            self.cuts = self.proxy.cuts - before
            if self.cuts < wanted and armed != self.cuts:
                armed = self.cuts
                self.proxy.cut_after(self.generator.randrange(limit), to_client)
            if time.monotonic() > deadline:
                process.kill()
            time.sleep(0.002)
        self.proxy.disarm()
        self.cuts = self.proxy.cuts - before
        out, errors = process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"{arguments[0]}: status {process.returncode}: {errors[-500:]}")
        return json.loads(out)

    def kill(self, *arguments):
        """Kills the client at a random moment; False when it had ended."""
        process = self.client.start("--json", *arguments)
        time.sleep(self.generator.uniform(0.05, 0.6))
        ended = process.poll() is not None
        process.kill()
        process.communicate()
        self.cuts += 0 if ended else 1
        return not ended


def check(condition, text):
    if not condition:
        raise RuntimeError(text)


def upload_round(round_, model, size, expected):
    result = round_.run(size // 2, False, "upload", model, REFERENCE)
    check(result["revision"] == expected["revision"], "another revision: " + str(result))
    check(result["bytes_sent"] < size + round_.cuts * LOST_BYTES_PER_CUT + OVERHEAD_BYTES,
          f"{result['bytes_sent']} bytes sent of {size}, {round_.cuts} cuts")
    # So that the next one must bring everything.
    round_.client.json("delete", REFERENCE)


def killed_upload_round(round_, model, size, expected):
    if not round_.kill("upload", model, REFERENCE):
        round_.client.json("delete", REFERENCE)
        return
    result = round_.client.json("upload", model, REFERENCE)
    check(result["revision"] == expected["revision"], "another revision: " + str(result))
    check(result["bytes_sent"] < size - result["resumed_bytes"] + OVERHEAD_BYTES,
          f"{result['bytes_sent']} bytes sent, {result['resumed_bytes']} of {size} were there")
    round_.client.json("verify", REFERENCE)
    round_.client.json("delete", REFERENCE)


def download_round(round_, target, digests, stored, flags):
    result = round_.run(stored // 2, True, "download", "torture/source", target, *flags)
    check(sha256_by_path(target) == digests, "other files")
    check(result["bytes_received"] <
          stored + round_.cuts * LOST_BYTES_PER_CUT + OVERHEAD_BYTES,
          f"{result['bytes_received']} bytes received of {stored}, {round_.cuts} cuts")


def killed_download_round(round_, target, digests, stored, flags):
    round_.kill("download", "torture/source", target, *flags)
    if not target.exists():
        result = round_.client.json("download", "torture/source", target, *flags)
        check(result["bytes_received"] < stored - result["resumed_bytes"] + OVERHEAD_BYTES,
              f"{result['bytes_received']} bytes received, {result['resumed_bytes']} were there")
    check(sha256_by_path(target) == digests, "other files")
    check(not list(target.parent.glob(f".{target.name}.*")), "something is left beside it")


def run(context):
    generator = random.Random(context.seed)
    directory = pathlib.Path(context.directory)
    model = models.write_large_model(directory / "m", 10, rows=1024)
    size = total_bytes(model)
    deadline = time.monotonic() + context.seconds
    counts = {kind: [0, 0] for kind in ("upload", "killed upload", "download",
                                        "killed download")}
    with Daemon(context.bin_dir, directory / "data", directory / "qstored.log") as daemon, \
            CuttingProxy(daemon.address) as proxy:
        direct = Client(context.bin_dir, daemon.address)
        expected = direct.json("upload", model, REFERENCE)
        # Another model of the same sizes holds none of the first one's tensors.
        source = models.write_large_model(directory / "source", 10, rows=1024, dtype="F16")
        stored = direct.json("upload", source, "torture/source")["stored_bytes"]
        direct.json("delete", REFERENCE)
        variants = []
        for precision, byte_count in (("original", sum(stored.values())),
                                      ("int8", stored["int8"] + stored["other"])):
            flags = ("--precision", precision)
            direct.json("download", "torture/source", directory / precision, *flags)
            variants.append((sha256_by_path(directory / precision), byte_count, flags))
        client = Client(context.bin_dir, proxy.address, RETRY_SECONDS)
        number = 0
        while number < len(counts) or time.monotonic() < deadline:
            kind = list(counts)[number % len(counts)]
            round_ = Round(generator, proxy, client)
            target = directory / "out"
            try:
                if kind.endswith("upload"):
                    one = upload_round if kind == "upload" else killed_upload_round
                    one(round_, model, size, expected)
                else:
                    one = download_round if kind == "download" else killed_download_round
                    one(round_, target, *generator.choice(variants))
            except (RuntimeError, OSError) as problem:
                counts[kind][1] += 1
                print(f"resume: seed {context.seed}, round {number} ({kind}): {problem}",
                      file=sys.stderr)
                direct.run("delete", REFERENCE)
            counts[kind][0] += round_.cuts
            shutil.rmtree(target, ignore_errors=True)
            number += 1
    shutil.rmtree(directory / "data")
    return [("upload cut at random and continued", *counts["upload"]),
            ("client killed in an upload, run again", *counts["killed upload"]),
            ("download cut at random and continued", *counts["download"]),
            ("client killed in a download, run again", *counts["killed download"])]


def main():
    """resume.py SECONDS [SEED]: by itself, with the binaries of QSTORE_TEST_BIN_DIR."""
    import tempfile
    import types

    import harness
    with tempfile.TemporaryDirectory(prefix="qstore-torture-") as scratch:
        context = types.SimpleNamespace(
            seed=int(sys.argv[2]) if len(sys.argv) > 2 else 1, seconds=float(sys.argv[1]),
            bin_dir=harness.BIN_DIR, directory=scratch)
        rows = run(context)
    for what, tried, problems in rows:
        print(f"{tried:6} {problems:6} {what}")
    return 1 if any(problems for _, _, problems in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
