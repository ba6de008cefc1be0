"""Compressed messages are refused before they are unpacked, by both sides."""

import subprocess
import sys
import zlib
from concurrent import futures

import grpc

import harness
import raw_calls
import raw_http2

OK, UNIMPLEMENTED = 0, 12
# Generated handlers (streams and short calls), the raw one, gRPC's own.
METHODS = ("/qstore.v1.ModelStore/Upload", "/qstore.v1.ModelStore/ListModels",
           "/qstore.v1.ModelStore/Download", "/qstore.v1.Admin/CreateBackup",
           "/grpc.health.v1.Health/Check")
MOST_GROWTH_BYTES = 24 << 20


def bomb(size_bytes, wbits=31):
    """An unknown field of zeros, packed: gzip, or zlib's own format with 15."""
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    content = packer.compress(raw_calls.varint(15 << 3 | 2) + raw_calls.varint(size_bytes))
    for _ in range(size_bytes >> 20):
        content += packer.compress(bytes(1 << 20))
    return content + packer.flush()


class Compression(harness.EndToEndTest):

    def test_a_packed_message_is_not_unpacked(self):
        daemon, client = self.start("--memory-limit", "512MiB")
        client.json("list")
        before = daemon.peak_resident_bytes()
        for encoding, wbits in (("gzip", 31), ("deflate", 15)):
            packed = bomb(60 << 20, wbits)
            self.assertLess(len(packed), raw_http2.FIRST_WINDOW_BYTES - 5)
            for method in METHODS:
                with self.subTest(f"{encoding} to {method}"):
                    status, headers = raw_http2.call(
                        daemon.address, method, packed, compressed=1, encoding=encoding)
                    self.assertEqual(status, UNIMPLEMENTED, headers)
                    self.assertIn(encoding.encode(), headers)
        growth = daemon.peak_resident_bytes() - before
        self.assertLess(growth, MOST_GROWTH_BYTES, f"{growth >> 20} MiB more")
        self.assert_nothing_stored(client)

    def test_a_flag_without_an_encoding_unpacks_nothing(self):
        daemon, client = self.start("--memory-limit", "512MiB")
        client.json("list")
        before = daemon.peak_resident_bytes()
        packed = bomb(60 << 20)
        for method in METHODS:
            with self.subTest(method):
                # Taken as it is, which no message begins like.
                status, headers = raw_http2.call(
                    daemon.address, method, packed, compressed=1)
                self.assertNotEqual(status, OK, headers)
        growth = daemon.peak_resident_bytes() - before
        self.assertLess(growth, MOST_GROWTH_BYTES, f"{growth >> 20} MiB more")
        self.assert_nothing_stored(client)

    def test_a_library_that_packs_gets_a_clear_answer(self):
        daemon, _ = self.start()
        with grpc.insecure_channel(daemon.address,
                                   compression=grpc.Compression.Gzip) as channel:
            call = channel.unary_unary("/qstore.v1.ModelStore/ListModels")
            with self.assertRaises(grpc.RpcError) as raised:
                call(raw_calls.text_field(1, "a" * 100), timeout=30)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.UNIMPLEMENTED)
        self.assertIn("gzip", raised.exception.details())


# A process of its own, since a child's peak counts from its parent's size.
MEASURE = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as peak:
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10, file=peak)
sys.exit(status)
"""


class PackingServer(grpc.GenericRpcHandler):
    """Answers every call with a message of zeros, packed by gRPC."""

    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: bytes(60 << 20))


class Client(harness.EndToEndTest):

    def run_measured(self, *command):
        """The finished process and its peak of memory."""
        peak = self.path / "peak"
        done = subprocess.run([sys.executable, "-c", MEASURE, peak, *map(str, command)],
                              capture_output=True, text=True, timeout=60)
        return done, int(peak.read_text())

    def test_a_packed_answer_is_not_unpacked(self):
        server = grpc.server(futures.ThreadPoolExecutor(2),
                             handlers=[PackingServer()],
                             compression=grpc.Compression.Gzip)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.addCleanup(server.stop, None)
        client = harness.BIN_DIR / "qstore-client"
        done, peak = self.run_measured(client, "--server", f"127.0.0.1:{port}",
                                       "--retry-for", "0", "list")
        self.assertEqual(done.returncode, 1)
        # gRPC adds a line of its own before it.
        error = done.stderr.splitlines()[-1]
        self.assertRegex(error, "^error: .*Compression algorithm 'gzip'")
        _, least = self.run_measured(client, "--version")
        self.assertLess(peak - least, MOST_GROWTH_BYTES)
