"""What programs see of errors: each reason of base/error_reason.h, from real daemons."""

import hashlib
import json
import pathlib
import re
import signal
import struct
import threading
import time

import grpc

import harness
import models
import raw_calls
import safetensors_file as sf
from qstore_process import clean_environment
from raw_calls import reference, text_field

TABLE = re.compile(r'REASON\(\w+, "([A-Z0-9_]+)", k(\w+),')
# Those that no daemon and client of one version give each other: the client finds
# them in what a server that works does not send (tests/client/download).
NOT_TO_BE_HAD = {"CONTRADICTION", "HELD_DAMAGED"}
# The tensors of each of these take more than half of 1 MiB of lists, and less than it.
TENSORS_OF_HALF_A_LIST = 600


def error_table():
    """The gRPC code of each reason, out of the header."""
    text = (harness.ROOT / "base" / "error_reason.h").read_text().replace("\\\n", " ")
    words = dict(TABLE.findall(re.sub(r"\s+", " ", text)))
    return {word: re.sub(r"(?<!^)(?=[A-Z])", "_", code).upper()
            for word, code in words.items()}


CODES = error_table()


def revision_of_empty_file(path):
    """Its id, as docs/format.md says, of a model of that file alone."""
    def number(value):
        return struct.pack("<Q", value)

    def string(text):
        return number(len(text)) + text.encode()

    return hashlib.sha256(string("qstore.revision.1") + string("absmax") + number(1)
                          + string(path) + number(0) + number(0) + number(0)).hexdigest()


def header_of(tensor_count):
    """The header of a safetensors file of tensors of a byte each."""
    text = json.dumps({
        f"tensor.{i:05}": {"dtype": "U8", "shape": [1], "data_offsets": [i, i + 1]}
        for i in range(tensor_count)}).encode()
    return len(text).to_bytes(8, "little") + text


class Reasons(harness.EndToEndTest):

    def start_raw(self, *flags, **options):
        """A daemon, its client and a connection."""
        daemon = self.start_daemon(*flags, **options)
        channel = raw_calls.new_channel(daemon.address)
        self.addCleanup(channel.close)
        return daemon, self.client_of(daemon), channel

    def assert_error(self, error, reason, *, retry=False, model=None):
        """An error of grpcio's with this reason, and the code that goes with it."""
        details = raw_calls.error_details(error)
        self.assertIn("ErrorInfo", details, error)
        found, domain, metadata = details["ErrorInfo"]
        self.assertEqual((found, domain), (reason, "qstore"), error)
        self.assertEqual(error.code().name, CODES[reason])
        self.assertEqual("RetryInfo" in details, retry, details)
        if model is not None:
            self.assertEqual(metadata["model"], model)

    def assert_call_fails(self, reason, call, **details):
        with self.assertRaises(grpc.RpcError) as raised:
            call()
        self.assert_error(raised.exception, reason, **details)

    def assert_fails_soon(self, reason, call, **details):
        """For what is refused as soon as the server knows of something else."""
        def again_and_again():
            time.sleep(1)
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                call()

        self.assert_call_fails(reason, again_and_again, **details)

    def assert_upload_fails(self, reason, channel, messages, **details):
        self.assert_call_fails(
            reason, lambda: raw_calls.upload(channel, iter(messages)).result(60), **details)

    def assert_client_fails(self, reason, client, *arguments):
        """What qstore-client --json prints of an error."""
        done = client.run("--json", *arguments)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assert_json_error(reason, done.stdout)

    def assert_json_error(self, reason, stdout):
        error = json.loads(stdout)["error"]
        self.assertEqual((error["reason"], error["code"]), (reason, CODES[reason]), error)
        self.assertTrue(error["message"])

    # What was asked for.

    def test_names_and_requests(self):
        _, client, channel = self.start_raw()
        raw_calls.upload(channel, raw_calls.upload_messages(
            "org/m", {"a.txt": b"text"})).result(60)
        get, delete = "GetRevision", "Delete"
        for reason, method, request in (
                ("MODEL_NOT_FOUND", get, reference("org/none")),
                ("TAG_NOT_FOUND", delete, reference("org/m", tag="v9")),
                ("REVISION_NOT_FOUND", delete, reference("org/m", revision="0123456789")),
                ("INVALID_NAME", get, reference("no model")),
                ("INVALID_PAGE_TOKEN", "ListModels", text_field(2, "none"))):
            with self.subTest(reason=reason):
                self.assert_call_fails(
                    reason, lambda: raw_calls.call(channel, method, request))
        self.assert_call_fails(
            "MODEL_NOT_FOUND", lambda: raw_calls.call(channel, get, reference("org/none")),
            model="org/none")
        for reason, arguments in (
                ("MODEL_NOT_FOUND", ("show", "org/none")),
                ("TAG_NOT_FOUND", ("download", "org/m:v9", self.path / "x")),
                ("REVISION_NOT_FOUND", ("verify", "org/m@0123456789")),
                ("INVALID_SELECTION", ("download", "org/m", self.path / "x", "--file", "b*")),
                ("NOT_FOUND", ("upload", self.path / "none", "org/n"))):
            with self.subTest(reason=reason):
                self.assert_client_fails(reason, client, *arguments)

    def test_uploads_that_cannot_be_taken(self):
        _, _, channel = self.start_raw("--quota", "small/=1KiB")
        begin = raw_calls.begin_message("org/m")
        damaged = bytearray(raw_calls.bytes_message(b"text"))
        damaged[-1] ^= 1
        resumed = text_field(1, text_field(1, "org/m") + text_field(4, "key")
                             + text_field(6, b"\x08\x01"))
        unknown = text_field(1, text_field(1, "org/m") + text_field(3, text_field(1, "none such")))
        for reason, messages in (
                ("INVALID_REQUEST", [raw_calls.file_message("f", 1)]),
                ("INVALID_NAME", [begin, raw_calls.file_message("../f", 1)]),
                ("INVALID_QUANTIZATION", [unknown]),
                ("INVALID_SAFETENSORS", raw_calls.upload_messages(
                    "org/m", {"f.safetensors": bytes(100)})),
                ("UPLOAD_TOO_LARGE", [begin, raw_calls.file_message("f", 1 << 60)]),
                ("DAMAGED_IN_TRANSIT", [begin, raw_calls.file_message("f", 4), bytes(damaged)]),
                ("UPLOAD_NOT_RESUMABLE", [resumed]),
                ("QUOTA_EXCEEDED", raw_calls.upload_messages(
                    "small/m", {"f": models.raw_tensor("U8", (10_000,)).raw}))):
            with self.subTest(reason=reason):
                self.assert_upload_fails(reason, channel, messages)

    def test_digits_of_several_revisions(self):
        seen = {}
        for number in range(1_000_000):
            path = f"f{number}"
            digits = revision_of_empty_file(path)[:6]
            if seen.setdefault(digits, path) != path:
                break
        _, client, channel = self.start_raw()
        for name in (seen[digits], path):
            raw_calls.upload(channel, raw_calls.upload_messages("org/m", {name: b""})).result(60)
        self.assert_call_fails("AMBIGUOUS_REVISION", lambda: raw_calls.call(
            channel, "GetRevision", reference("org/m", revision=digits)))
        self.assert_client_fails("AMBIGUOUS_REVISION", client, "show", f"org/m@{digits}")
        client.json("show", f"org/m@{revision_of_empty_file(path)[:12]}")

    def test_what_the_client_knows_by_itself(self):
        daemon, client, channel = self.start_raw()
        model = models.write_model(self.path / "m")
        client.json("upload", model, "org/m")
        plain = models.write_model(self.path / "plain", {
            "embeddings.weight": models.gaussian((8, 8), "F32")})
        client.json("upload", plain, "org/plain")
        (self.path / "lfs").mkdir()
        (self.path / "lfs" / "m.safetensors").write_text(
            "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
        out = self.path / "out"
        for reason, arguments in (
                ("NO_INT8", ("download", "org/plain", out, "--precision", "int8")),
                ("OTHER_PRECISION", ("download", "org/m", out, "--precision", "bf16")),
                ("LOOKS_LIKE_AN_ACCIDENT", ("upload", self.path / "lfs", "org/lfs"))):
            with self.subTest(reason=reason):
                self.assert_client_fails(reason, client, *arguments)
        # The codes' scales would have the name of another tensor.
        clash = self.path / "clash.safetensors"
        sf.write(clash, {"a.weight": models.gaussian((8, 8), "F32"),
                         "a.weight_scale": models.gaussian((8,), "F32")})
        content = clash.read_bytes()
        quantized = text_field(4, text_field(1, b"\x01"))
        name = text_field(1, "m.safetensors") + b"\x10" + raw_calls.varint(len(content))
        raw_calls.upload(channel, iter([
            raw_calls.begin_message("org/clash"), text_field(2, name + quantized),
            raw_calls.bytes_message(content),
            raw_calls.end_message(1, len(content))])).result(60)
        self.assert_client_fails("INT8_NOT_EXPORTABLE", client, "download", "org/clash", out,
                                 "--precision", "int8")
        result = client.json("download", "org/clash", out, "--precision", "int8",
                             "--allow-original")
        self.assertEqual(result["precision"], "original")
        daemon.stop()
        self.assert_client_fails("UNREACHABLE", client, "list")

    # What there was no room for.

    def test_disk(self):
        _, client, channel = self.start_raw("--disk-reserve", "16TiB")
        self.assert_upload_fails("DISK_FULL", channel, raw_calls.upload_messages(
            "org/m", {"f": bytes(1000)}))
        self.assert_client_fails("DISK_FULL", client, "upload",
                                 models.write_model(self.path / "m"), "org/m")

    def test_lists_of_tensors(self):
        _, client, channel = self.start_raw("--metadata-memory", "1MiB")

        def half(name, until):
            header = header_of(TENSORS_OF_HALF_A_LIST)
            yield raw_calls.begin_message(name)
            yield raw_calls.file_message("m.safetensors", len(header) + TENSORS_OF_HALF_A_LIST)
            yield raw_calls.bytes_message(header)
            until.wait(60)
            yield raw_calls.bytes_message(bytes(TENSORS_OF_HALF_A_LIST))
            yield raw_calls.end_message(1, len(header) + TENSORS_OF_HALF_A_LIST)

        now, later = threading.Event(), threading.Event()
        now.set()
        first = raw_calls.upload(channel, half("org/a", later))
        self.assert_fails_soon(
            "MEMORY_BUSY", lambda: raw_calls.upload(channel, half("org/b", now)).result(60),
            retry=True)
        later.set()
        first.result(60)
        large = self.path / "large.safetensors"
        large.write_bytes(header_of(4 * TENSORS_OF_HALF_A_LIST)
                          + bytes(4 * TENSORS_OF_HALF_A_LIST))
        self.assert_client_fails("TENSOR_LIST_TOO_LARGE", client, "upload", large, "org/large")

    def test_places(self):
        _, _, channel = self.start_raw("--max-uploads", "1", "--max-queued", "0")
        go_on = threading.Event()

        def slowly():
            yield raw_calls.begin_message("org/a")
            go_on.wait(60)
            yield raw_calls.file_message("empty", 0)
            yield raw_calls.end_message(1, 0)

        first = raw_calls.upload(channel, slowly())
        self.assert_fails_soon(
            "TOO_MANY_CALLS", lambda: raw_calls.upload(channel, raw_calls.upload_messages(
                "org/b", {"f": b""})).result(60), retry=True)
        go_on.set()
        first.result(60)

    def test_backups(self):
        backups = self.path / "backups"
        _, client, channel = self.start_raw("--backup-dir", backups)
        client.json("backup", "b")
        self.assert_call_fails("BACKUP_EXISTS", lambda: raw_calls.call(
            channel, "Admin/CreateBackup", text_field(1, "b")))
        self.assert_client_fails("BACKUP_EXISTS", client, "backup", "b")

        # One that is being made takes a moment: of several at once, one is.
        refused = []
        for number in range(100):
            calls = [channel.unary_unary("/qstore.v1.Admin/CreateBackup").future(
                text_field(1, f"b-{number}-{i}"), timeout=60) for i in range(8)]
            refused = [call.exception() for call in calls if call.exception() is not None]
            for error in refused:
                self.assert_error(error, "BACKUP_RUNNING", retry=True)
            self.assertLess(len(refused), len(calls))
            if refused:
                break
        self.assertTrue(refused, "no two backups met")
        _, client, channel = self.start_raw(data_dir=self.path / "other")
        self.assert_call_fails("BACKUPS_OFF", lambda: raw_calls.call(
            channel, "Admin/CreateBackup", text_field(1, "b")))
        self.assert_client_fails("BACKUPS_OFF", client, "backup", "b")

    # What came between.

    def test_a_server_that_stops(self):
        daemon, client, channel = self.start_raw("--grace", "60")
        go_on = threading.Event()

        def slowly():
            yield raw_calls.begin_message("org/a")
            yield raw_calls.file_message("empty", 0)
            go_on.wait(60)
            yield raw_calls.end_message(1, 0)

        running = raw_calls.upload(channel, slowly())
        time.sleep(1)
        daemon.process.send_signal(signal.SIGTERM)
        self.assert_fails_soon("DRAINING", lambda: raw_calls.call(channel, "ListModels"),
                               retry=True)
        done = client.run("--json", "list")
        self.assert_json_error("DRAINING", done.stdout)
        self.assertIn("is being stopped", done.stderr)
        go_on.set()
        running.result(60)
        self.assertEqual(daemon.process.wait(60), 0)

    def test_clients_that_do_nothing(self):
        model = models.write_large_model(self.path / "m", harness.tensors_to_cut())
        daemon, client, _ = self.start_raw()
        client.json("upload", model, "org/m")
        daemon.stop()
        daemon, client, channel = self.start_raw("--stall-timeout", "2")
        go_on = threading.Event()
        self.addCleanup(go_on.set)

        def silent():
            yield raw_calls.begin_message("org/a")
            go_on.wait(60)

        # A stream that is reset has no details.
        for call in (raw_calls.upload(channel, silent()).result,
                     lambda: [time.sleep(0 if i else 6) for i, _ in enumerate(
                         raw_calls.download(channel, "org/m"))]):
            with self.assertRaises(grpc.RpcError) as raised:
                call()
            self.assertEqual(raised.exception.code().name, CODES["SLOW_CLIENT"])
            self.assertTrue(raised.exception.details().startswith("SLOW_CLIENT: the client "),
                            raised.exception.details())
        # Not a download: its bytes in the kernel would keep the sentence back.
        logged = daemon.log_text().count("(SLOW_CLIENT)")
        process = client.start("--json", "upload", model, "org/new")
        self.wait_until(lambda: list((self.data_dir / "staging").glob("*.sst")),
                        what="an upload that stores")
        process.send_signal(signal.SIGSTOP)
        self.wait_until(lambda: daemon.log_text().count("(SLOW_CLIENT)") > logged,
                        what="the end of the upload")
        process.send_signal(signal.SIGCONT)
        stdout, errors = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 1, errors)
        self.assert_json_error("SLOW_CLIENT", stdout)

    def test_a_server_that_dies(self):
        model = models.write_model(self.path / "m")
        daemon, client, _ = self.start_raw()
        client.json("upload", model, "org/m")
        daemon.stop()
        daemon = self.start_daemon(program="qstored_failpoints", environment=clean_environment(
            QSTORE_FAILPOINTS="download.value=crash"))
        self.assert_client_fails("CONNECTION_LOST", self.client_of(daemon), "download", "org/m",
                                 self.path / "out")

    # What is broken.

    def test_damage(self):
        daemon, client, _ = self.start_raw()
        content = bytes(models.raw_tensor("U8", (4 << 20,)).raw)
        (self.path / "m").mkdir()
        (self.path / "m" / "noise").write_bytes(content)
        client.json("upload", self.path / "m", "org/m")
        daemon.stop()
        tables = [path for path in self.data_dir.rglob("*.sst")
                  if path.stat().st_size > len(content) // 2]
        self.assertEqual(len(tables), 1)
        changed = bytearray(tables[0].read_bytes())
        changed[len(changed) // 2] ^= 1
        tables[0].write_bytes(changed)
        _, client, channel = self.start_raw()
        self.assert_call_fails(
            "DAMAGED", lambda: list(raw_calls.download(channel, "org/m")), model="org/m")
        self.assert_client_fails("DAMAGED", client, "download", "org/m", self.path / "out")

    def test_codes_without_a_word_of_their_own(self):
        """Whatever fails, wherever: an error of each code, with its default."""
        words = {"INVALID_ARGUMENT": "INVALID_REQUEST", "UNIMPLEMENTED": "UNSUPPORTED",
                 "DATA_LOSS": "DAMAGED"}
        codes = sorted(set(CODES.values()))
        self.assertEqual(len(codes), 16)
        for code in ("NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION", "OUT_OF_RANGE",
                     "PERMISSION_DENIED", "UNAUTHENTICATED", "RESOURCE_EXHAUSTED", "CANCELLED",
                     "DEADLINE_EXCEEDED", "UNAVAILABLE", "ABORTED", "INTERNAL", "UNKNOWN"):
            self.assertEqual(CODES[code], code)
        for code in codes:
            with self.subTest(code=code):
                daemon, client, channel = self.start_raw(
                    program="qstored_failpoints", data_dir=self.path / code,
                    environment=clean_environment(
                        QSTORE_FAILPOINTS=f"list.models=error({code})"))
                word = words.get(code, code)
                self.assert_call_fails(word, lambda: raw_calls.call(channel, "ListModels"))
                self.assert_client_fails(word, client, "list")
                daemon.stop()

    def test_every_reason_is_here(self):
        text = pathlib.Path(__file__).read_text()
        self.assertEqual({word for word in CODES if f'"{word}"' not in text}, set())
        self.assertLessEqual(NOT_TO_BE_HAD, set(CODES))
        self.assertGreater(len(CODES), 40)
