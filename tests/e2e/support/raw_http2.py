"""gRPC calls as bytes of HTTP/2, for frames that no gRPC library would send."""

import re
import socket
import struct

DATA, HEADERS, SETTINGS, GOAWAY, RST_STREAM = 0, 1, 4, 7, 3
END_STREAM, END_HEADERS = 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# What a peer takes before it has granted more.
FIRST_WINDOW_BYTES = 65_535
MAX_FRAME_BYTES = 16_384
STATUS = re.compile(rb"grpc-status.(\d+)", re.S)


def _frame(kind, flags, stream, payload):
    return (len(payload).to_bytes(3, "big") + bytes([kind, flags])
            + struct.pack(">I", stream) + payload)


def _header(name, value):
    """A literal that goes into no table, shorter than 127 bytes."""
    return (b"\0" + bytes([len(name)]) + name.encode()
            + bytes([len(value)]) + value.encode())


def _read_exactly(connection, size):
    content = b""
    while len(content) < size:
        piece = connection.recv(size - len(content))
        if not piece:
            raise EOFError
        content += piece
    return content


def _request(path, message, compressed, encoding):
    headers = {":method": "POST", ":scheme": "http", ":path": path,
               ":authority": "test", "te": "trailers",
               "content-type": "application/grpc"}
    if encoding:
        headers["grpc-encoding"] = encoding
    body = bytes([compressed]) + struct.pack(">I", len(message)) + message
    assert len(body) <= FIRST_WINDOW_BYTES
    frames = [_frame(HEADERS, END_HEADERS, 1,
                     b"".join(_header(*pair) for pair in headers.items()))]
    for start in range(0, len(body), MAX_FRAME_BYTES):
        piece = body[start:start + MAX_FRAME_BYTES]
        last = start + len(piece) == len(body)
        frames.append(_frame(DATA, END_STREAM if last else 0, 1, piece))
    return PREFACE + _frame(SETTINGS, 0, 0, b"") + b"".join(frames)


def call(address, path, message, compressed, encoding=None, timeout=30):
    """Sends one message; returns the status of the call and all of its headers.

    `compressed`: the flag before the message, 0 or 1, whatever the message is.
    """
    host, port = address.rsplit(":", 1)
    headers = b""
    with socket.create_connection((host, int(port)), timeout=timeout) as connection:
        connection.sendall(_request(path, message, compressed, encoding))
        while True:
            head = _read_exactly(connection, 9)
            payload = _read_exactly(connection, int.from_bytes(head[:3], "big"))
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
            if kind == GOAWAY:
                raise ConnectionError(payload)
            if stream != 1:
                continue
            if kind == HEADERS:
                headers += payload
            if kind == RST_STREAM or flags & END_STREAM:
                break
    found = STATUS.search(headers)
    if not found:
        raise ConnectionError(f"no status came: {headers!r}")
    return int(found[1]), headers
