"""Calls of the service by hand-made messages, for clients that behave badly."""

import grpc

ORIGINAL, INT8 = 1, 2
_SERVICE = "/qstore.v1.ModelStore/"
# Differing arguments keep gRPC from sharing one connection.
_channel_count = 0


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


def begin_message(model):
    return text_field(1, text_field(1, model))


def file_message(path, size_bytes):
    varint, rest = b"", size_bytes
    while True:
        rest, low = rest >> 7, rest & 127
        varint += bytes([low | (128 if rest else 0)])
        if not rest:
            break
    return text_field(2, text_field(1, path) + bytes([2 << 3]) + varint)
