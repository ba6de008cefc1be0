"""What peers do that keep the server waiting: nobody else is locked out, and memory holds."""

import socket
import struct
import threading
import time

import grpc

import harness
import models
import raw_calls
import raw_http2
from raw_calls import text_field

UNREAD_CALLS = 200
MESSAGE_BYTES = 1500 << 20
MOST_GROWTH_BYTES = 160 << 20


class RawConnection:
    """An HTTP/2 connection on which nothing is taken: its windows are closed."""

    def __init__(self, address, window=0):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=30)
        settings = struct.pack(">HI", 4, window)  # SETTINGS_INITIAL_WINDOW_SIZE
        self.socket.sendall(raw_http2.PREFACE
                            + raw_http2._frame(raw_http2.SETTINGS, 0, 0, settings))
        self.stream = 1

    def begin(self, path):
        headers = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "test",
                   "te": "trailers", "content-type": "application/grpc"}
        block = b"".join(raw_http2._header(*pair) for pair in headers.items())
        stream, self.stream = self.stream, self.stream + 2
        self.socket.sendall(raw_http2._frame(raw_http2.HEADERS, raw_http2.END_HEADERS, stream,
                                             block))
        return stream

    def send(self, stream, content, last=False):
        self.socket.sendall(raw_http2._frame(
            raw_http2.DATA, raw_http2.END_STREAM if last else 0, stream, content))

    def call(self, path, message=b""):
        stream = self.begin(path)
        self.send(stream, b"\0" + struct.pack(">I", len(message)) + message, last=True)

    def close(self):
        self.socket.close()


class Peers(harness.EndToEndTest):

    def connect(self, daemon):
        connection = RawConnection(daemon.address)
        self.addCleanup(connection.close)
        return connection

    def assert_serves(self, client, model, name):
        client.json("upload", model, name)
        client.json("list")
        client.json("show", name)
        client.json("verify", name)
        client.json("download", name, self.path / name.replace("/", "-"))

    def threads(self, daemon):
        status = (harness.pathlib.Path(f"/proc/{daemon.pid}/status")).read_text()
        return int(next(line for line in status.splitlines()
                        if line.startswith("Threads:")).split()[1])

    def test_answers_that_nobody_takes_keep_no_thread(self):
        model = models.write_model(self.path / "m")
        daemon, client = self.start()
        self.assert_serves(client, model, "org/first")
        before = self.threads(daemon)
        for path, message in (("ListModels", b""),
                              ("GetRevision", text_field(1, text_field(1, "org/first"))),
                              ("GetUploadState", text_field(1, "key"))):
            connection = self.connect(daemon)
            for _ in range(UNREAD_CALLS):
                connection.call(f"/qstore.v1.ModelStore/{path}", message)
        self.wait_until(lambda: daemon.log_text().count("GetUploadState") >= UNREAD_CALLS,
                        what="the work of the calls")
        self.assertLess(self.threads(daemon), before + 20)
        self.assert_serves(client, model, "org/second")

    def test_idle_streams_keep_no_thread(self):
        model = models.write_model(self.path / "m")
        daemon, client = self.start()
        for path in ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                     "/grpc.health.v1.Health/Watch"):
            connection = self.connect(daemon)
            for _ in range(UNREAD_CALLS):
                connection.begin(path)
        self.assert_serves(client, model, "org/m")

    def test_a_stalled_call_of_any_kind_ends(self):
        daemon, client = self.start("--stall-timeout", "1")
        client.json("upload", models.write_model(self.path / "m"), "org/m")
        channel = raw_calls.new_channel(daemon.address)
        self.addCleanup(channel.close)
        over = threading.Event()
        self.addCleanup(over.set)

        def silent():
            over.wait()
            yield b""

        stream = channel.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")(silent())
        begin = time.monotonic()
        with self.assertRaises(grpc.RpcError) as raised:
            next(stream)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.CANCELLED)
        self.assertLess(time.monotonic() - begin, 20)

    def test_a_message_that_announces_gigabytes(self):
        model = models.write_model(self.path / "m")
        daemon, client = self.start("--memory-limit", "512MiB")
        client.json("upload", model, "org/first")
        before = daemon.peak_resident_bytes()
        for path in ("/qstore.v1.ModelStore/Upload", "/qstore.v1.ModelStore/ListModels",
                     "/grpc.health.v1.Health/Check"):
            with self.subTest(path):
                self.assertLess(self.bytes_taken(daemon, path), 256 << 20)
        growth = daemon.peak_resident_bytes() - before
        print(f"{growth >> 20} MiB more", end=" ", flush=True)
        if not harness.is_sanitized():  # which keep what has been freed
            self.assertLess(growth, MOST_GROWTH_BYTES)
        client.retry_seconds = 60
        self.assert_serves(client, model, "org/second")

    def bytes_taken(self, daemon, path):
        """How much of one message is taken before the call is cut off."""
        host, port = daemon.address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(raw_http2.PREFACE + raw_http2._frame(raw_http2.SETTINGS, 0, 0, b""))
            headers = {":method": "POST", ":scheme": "http", ":path": path,
                       ":authority": "test", "te": "trailers",
                       "content-type": "application/grpc"}
            connection.sendall(raw_http2._frame(
                raw_http2.HEADERS, raw_http2.END_HEADERS, 1,
                b"".join(raw_http2._header(*pair) for pair in headers.items())))
            windows = {0: raw_http2.FIRST_WINDOW_BYTES, 1: raw_http2.FIRST_WINDOW_BYTES}
            pending = b"\0" + struct.pack(">I", MESSAGE_BYTES)
            sent = 0
            while sent < MESSAGE_BYTES:
                size = min(*windows.values(), raw_http2.MAX_FRAME_BYTES)
                if size >= raw_http2.MAX_FRAME_BYTES:
                    content = pending + bytes(size - len(pending))
                    pending = b""
                    connection.sendall(raw_http2._frame(raw_http2.DATA, 0, 1, content))
                    sent += size
                    for each in windows:
                        windows[each] -= size
                    continue
                head = raw_http2._read_exactly(connection, 9)
                payload = raw_http2._read_exactly(connection, int.from_bytes(head[:3], "big"))
                kind, stream = head[3], int.from_bytes(head[5:], "big")
                if kind == raw_http2.SETTINGS and not head[4] & 1:
                    for at in range(0, len(payload), 6):
                        key, value = struct.unpack_from(">HI", payload, at)
                        if key == 4:
                            windows[1] += value - raw_http2.FIRST_WINDOW_BYTES
                    connection.sendall(raw_http2._frame(raw_http2.SETTINGS, 1, 0, b""))
                elif kind == 8:  # WINDOW_UPDATE
                    windows[stream] += int.from_bytes(payload, "big")
                elif kind == 6 and not head[4] & 1:  # PING
                    connection.sendall(raw_http2._frame(6, 1, 0, payload))
                elif kind in (raw_http2.RST_STREAM, raw_http2.GOAWAY) or (
                        kind == raw_http2.HEADERS and head[4] & raw_http2.END_STREAM):
                    return sent
        return sent

    def test_what_cannot_be_parsed_is_called_so(self):
        daemon, client = self.start()
        bad_path = text_field(2, text_field(1, b"\xff\xfe") + b"\x10\x01")
        for messages, text in (((b"\xff\xff\xff",), "message 1 of the stream"),
                               ((raw_calls.begin_message("org/m"), bad_path), "message 2")):
            channel = raw_calls.new_channel(daemon.address)
            with self.subTest(text), self.assertRaises(grpc.RpcError) as raised:
                raw_calls.upload(channel, iter(messages), timeout=60).result()
            channel.close()
            self.assertEqual(raised.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
            self.assertIn(text, raised.exception.details())
            self.assertIn("no qstore.v1.UploadRequest", raised.exception.details())
        channel = raw_calls.new_channel(daemon.address)
        self.addCleanup(channel.close)
        with self.assertRaises(grpc.RpcError) as raised:
            channel.unary_unary("/qstore.v1.ModelStore/GetRevision")(b"\xff", timeout=60)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assert_nothing_stored(client)
