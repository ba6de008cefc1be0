"""Names with control and bidirectional characters never reach a terminal or a log as they are."""

import unicodedata

import harness
import models

# An 8-bit CSI, text from right to left, nothing visible, a line's end in Unicode.
HOSTILE = "x\u009b31m\u202ecod.\u200b\u2028y"


def obeyed(text):
    """What a terminal or an editor would obey instead of showing."""
    return {character for character in text
            if unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp") and character != "\n"}


class HostileNames(harness.EndToEndTest):

    def setUp(self):
        super().setUp()
        self.daemon, self.client = self.start()

    def assert_shown(self, done):
        for stream in (done.stdout, done.stderr):
            self.assertEqual(obeyed(stream), set(), stream)
        return done

    def test_tensor_names(self):
        tensors = models.small_tensors()
        name = f"encoder.layer.0.{HOSTILE}.weight"
        tensors[name] = tensors.pop("encoder.layer.0.query.weight")
        model = models.write_model(self.path / "m", tensors)
        for flags in ((), ("--json",)):
            for command in (("upload", model, "org/m", "--dry-run"), ("upload", model, "org/m"),
                            ("show", "org/m"), ("show", "org/m", "--tensors"), ("list",), ("verify", "org/m"),
                            ("download", "org/m", self.path / f"out{len(flags)}")):
                with self.subTest(command=command, flags=flags):
                    done = self.assert_shown(self.client.run(*command, *flags))
                    self.assertEqual(done.returncode, 0, done.stderr)
        # As JSON the name says what it said.
        self.assertIn(name, [tensor["name"] for tensor in
                             self.client.json("show", "org/m")["tensors"]])

    def test_refusals_and_the_log(self):
        (self.path / "m").mkdir()
        (self.path / "m" / "config.json").write_text("{}")
        for command in (("show", f"org/{HOSTILE}"), ("list", HOSTILE), (HOSTILE,),
                        ("upload", self.path / HOSTILE, "org/m"),
                        ("upload", self.path / "m", f"org/m:{HOSTILE}"),
                        ("download", "org/none", self.path / HOSTILE)):
            with self.subTest(command=command):
                self.assert_shown(self.client.run(*command))
        self.assert_shown(harness.Client(harness.BIN_DIR, f"{HOSTILE}:1").run("list"))
        self.daemon.stop()
        self.assertEqual(obeyed(self.daemon.log_path.read_text()), set())

    def test_a_client_of_another_make(self):
        import grpc
        import raw_calls
        channel = raw_calls.new_channel(self.daemon.address)
        self.addCleanup(channel.close)
        messages = [
            ("model", [raw_calls.begin_message(f"org/{HOSTILE}")]),
            ("path", [raw_calls.begin_message("org/m"), raw_calls.file_message(HOSTILE, 0)]),
            ("tag", [raw_calls.begin_message("org/m", tag=HOSTILE)]),
        ]
        for what, sent in messages:
            with self.subTest(what):
                call = raw_calls.upload(channel, iter(sent + [raw_calls.end_message(1, 0)]))
                error = call.exception()
                self.assertEqual(error.code(), grpc.StatusCode.INVALID_ARGUMENT)
                self.assertEqual(obeyed(error.details()), set())
        self.daemon.stop()
        log = self.daemon.log_path.read_text()
        self.assertEqual(obeyed(log), set())
        self.assertIn("\\u202e", log)
