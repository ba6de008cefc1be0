"""Calls of the service by hand-made messages, for clients that behave badly."""

import ctypes
import ctypes.util

import grpc

ORIGINAL, INT8 = 1, 2
_SERVICE = "/qstore.v1.ModelStore/"
# Differing arguments keep gRPC from sharing one connection.
_channel_count = 0


_xxh3 = ctypes.CDLL(ctypes.util.find_library("xxhash")).XXH3_64bits
_xxh3.argtypes, _xxh3.restype = (ctypes.c_char_p, ctypes.c_size_t), ctypes.c_uint64


def varint(number):
    text = b""
    while number > 127:
        text += bytes([number & 127 | 128])
        number >>= 7
    return text + bytes([number])


def text_field(number, text):
    """A length-delimited field of less than 128 bytes."""
    content = text if isinstance(text, bytes) else text.encode()
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


def fields(message):
    """The fields of a serialized message as (number, value); bytes or int."""
    position, found = 0, []

    def take_varint():
        nonlocal position
        value = shift = 0
        while True:
            byte = message[position]
            position += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while position < len(message):
        tag = take_varint()
        kind = tag & 7
        if kind == 0:
            value = take_varint()
        else:
            size = {1: 8, 5: 4}.get(kind) or take_varint()
            value = message[position:position + size]
            assert len(value) == size, "the message ends within a field"
            position += size
        found.append((tag >> 3, value))
    return found


def error_details(error):
    """What an error has for programs, by google.rpc type: ErrorInfo as
    (reason, domain, metadata), the others as their serialized messages."""
    trailers = dict(error.trailing_metadata() or ())
    details = {}
    for number, value in fields(trailers.get("grpc-status-details-bin", b"")):
        if number != 3:
            continue
        any_message = dict(fields(value))
        name = any_message[1].decode().rpartition(".")[2]
        assert name not in details, f"two {name}"
        details[name] = any_message.get(2, b"")
    if "ErrorInfo" in details:
        info = fields(details["ErrorInfo"])
        metadata = [dict(fields(value)) for number, value in info if number == 3]
        details["ErrorInfo"] = (
            dict(info)[1].decode(), dict(info)[2].decode(),
            {entry[1].decode(): entry[2].decode() for entry in metadata})
    return details


def new_channel(address):
    """A connection of its own."""
    global _channel_count
    _channel_count += 1
    return grpc.insecure_channel(address, options=[
        ("qstore.test.channel", _channel_count),
        ("grpc.max_receive_message_length", -1)])


def call(channel, method, request=b"", timeout=60):
    """The serialized answer to one request; `method` of the model store unless a
    service is named: "Admin/CreateBackup"."""
    path = f"/qstore.v1.{method}" if "/" in method else _SERVICE + method
    return channel.unary_unary(path)(request, timeout=timeout)


def reference(model, tag="", revision=""):
    """The first field of most requests."""
    version = text_field(2, tag) if tag else text_field(3, revision) if revision else b""
    return text_field(1, text_field(1, model) + version)


def download(channel, model, precision=ORIGINAL, timeout=None):
    """Starts a download; what is returned gives messages as it is iterated."""
    request = text_field(1, text_field(1, model)) + bytes([2 << 3, precision])
    return channel.unary_stream(_SERVICE + "Download")(request, timeout=timeout)


def verify(channel, model, timeout=None):
    return channel.unary_stream(_SERVICE + "Verify")(
        text_field(1, text_field(1, model)), timeout=timeout)


def upload(channel, messages, timeout=None):
    """Starts an upload of serialized requests; its result() waits for the end."""
    return channel.stream_unary(_SERVICE + "Upload").future(messages, timeout=timeout)


def upload_messages(model, files, piece_bytes=1 << 20):
    """The stream of an upload of `files`, contents by path."""
    yield begin_message(model)
    for path, content in files.items():
        yield file_message(path, len(content))
        for start in range(0, len(content), piece_bytes):
            yield bytes_message(content[start:start + piece_bytes])
    yield end_message(len(files), sum(map(len, files.values())))


def begin_message(model, tag=""):
    return text_field(1, text_field(1, model) + (text_field(2, tag) if tag else b""))


def file_message(path, size_bytes):
    return text_field(2, text_field(1, path) + b"\x10" + varint(size_bytes))


def bytes_message(payload):
    """With its checksum, by the system's libxxhash."""
    inner = b"\x0a" + varint(len(payload)) + payload
    inner += bytes([2 << 3 | 1]) + _xxh3(payload, len(payload)).to_bytes(8, "little")
    return b"\x1a" + varint(len(inner)) + inner


def end_message(file_count, total_bytes):
    return text_field(4, b"\x08" + varint(file_count) + b"\x10" + varint(total_bytes))
