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


def new_channel(address):
    """A connection of its own."""
    global _channel_count
    _channel_count += 1
    return grpc.insecure_channel(address, options=[
        ("qstore.test.channel", _channel_count),
        ("grpc.max_receive_message_length", -1)])


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
