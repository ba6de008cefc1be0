"""Transfers that are cut off, for the tests of what goes on."""

import json

import harness
from cutting_proxy import CuttingProxy
from qstore_process import Client

# A chunk of BF16 weights; an upload repeats at most the one that was open.
CHUNK_BYTES = 16 << 20
# Messages around payloads, and what lay between client and server when the
# connection was cut: socket buffers and gRPC's windows.
SLACK_BYTES = 8 << 20
# What a client that is busy decoding has not read yet: its receive buffer, the
# proxy's send buffer and gRPC's windows. Lost when the connection is cut.
UNREAD_BYTES = 32 << 20
RETRY_SECONDS = 60

# A daemon that holds so little of an upload that a client cannot have sent all
# of it before a test cuts it off, however slowly it is stored.
HOLDS_LITTLE = ("--max-uploads", "1", "--ingest-memory", "48MiB")


class CutTransfersTest(harness.EndToEndTest):

    def through(self, daemon):
        """A proxy before the daemon, and a client that tries again."""
        proxy = CuttingProxy(daemon.address)
        self.addCleanup(proxy.close)
        return proxy, Client(harness.BIN_DIR, proxy.address, RETRY_SECONDS)

    def run_json(self, client, *arguments):
        """The result as JSON, and what was told on stderr."""
        done = client.run("--json", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout), done.stderr

    def assert_stored(self, daemon, model, reference):
        client = self.client_of(daemon)
        target = self.path / ("check-" + reference.replace("/", "-"))
        client.json("download", reference, target)
        self.assert_same_files(model, target)
        client.json("verify", reference)

    def start_upload_and_wait(self, daemon, client, model, grown_bytes, reference="org/m"):
        before = harness.data_bytes(daemon)
        upload = client.start("--json", "upload", model, reference)
        self.addCleanup(upload.communicate)
        self.addCleanup(upload.kill)
        self.wait_until(lambda: harness.data_bytes(daemon) > before + grown_bytes
                        or upload.poll() is not None, what="part of the upload")
        self.assertIsNone(upload.poll(), "the upload ended before it was cut off")
        return upload
