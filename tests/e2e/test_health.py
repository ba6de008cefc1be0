"""The standard health service and reflection, by hand-made gRPC messages."""

import subprocess

import grpc

import harness
from qstore_process import clean_environment

SERVING = b"\x08\x01"


def text_field(number, text):
    return bytes([number << 3 | 2, len(text)]) + text.encode()


class Health(harness.EndToEndTest):

    def setUp(self):
        super().setUp()
        self.daemon, _ = self.start()
        self.channel = grpc.insecure_channel(self.daemon.address)
        self.addCleanup(self.channel.close)

    def check(self, service):
        call = self.channel.unary_unary("/grpc.health.v1.Health/Check")
        return call(text_field(1, service) if service else b"", timeout=30)

    def test_serving(self):
        self.assertEqual(self.check(""), SERVING)
        self.assertEqual(self.check("qstore.v1.ModelStore"), SERVING)

    def test_unknown_service(self):
        with self.assertRaises(grpc.RpcError) as raised:
            self.check("no.such.Service")
        self.assertEqual(raised.exception.code(), grpc.StatusCode.NOT_FOUND)

    def test_reflection_lists_the_services(self):
        call = self.channel.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        list_services = text_field(7, "*")
        answers = b"".join(call(iter([list_services]), timeout=30))
        for service in (b"qstore.v1.ModelStore", b"grpc.health.v1.Health"):
            self.assertIn(service, answers)

    def test_unknown_method(self):
        call = self.channel.unary_unary("/qstore.v1.ModelStore/NoSuchMethod")
        with self.assertRaises(grpc.RpcError) as raised:
            call(b"", timeout=30)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.UNIMPLEMENTED)

    def test_garbage_requests_do_no_harm(self):
        for method in ("ListModels", "GetRevision", "SetTag", "Delete"):
            call = self.channel.unary_unary(f"/qstore.v1.ModelStore/{method}")
            with self.assertRaises(grpc.RpcError):
                call(b"\xff" * 50, timeout=30)
        call = self.channel.stream_unary("/qstore.v1.ModelStore/Upload")
        with self.assertRaises(grpc.RpcError):
            call(iter([b"\xff" * 50, b"\x0a\x00"]), timeout=30)
        self.assertEqual(self.check(""), SERVING)

    def probe(self, address, **environment):
        return subprocess.run(
            [str(harness.BIN_DIR / "qstored"), "--health-check", address],
            capture_output=True, text=True, timeout=60,
            env=clean_environment(**environment)).returncode

    def test_probe_mode(self):
        self.assertEqual(self.probe(self.daemon.address), 0)
        self.daemon.stop()
        self.assertNotEqual(self.probe(self.daemon.address), 0)

    def test_probe_asks_no_proxy(self):
        nobody = "http://127.0.0.1:9"
        self.assertEqual(self.probe(self.daemon.address, http_proxy=nobody,
                                    https_proxy=nobody, grpc_proxy=nobody), 0)
