"""The calls of a store that failed_call_rounds.py makes, without a process for each.

Messages are made and read by hand, as tests/e2e/support/raw_calls.py does, which
must be on the path.
"""

import grpc

import raw_calls

_STORE, _ADMIN = "/qstore.v1.ModelStore/", "/qstore.v1.Admin/"
_SERVING = b"\x08\x01"


def fields(message):
    """A message's fields by number, each a list of numbers or bytes."""
    found, at = {}, 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = varint()
        kind = key & 7
        if kind == 0:
            value = varint()
        else:
            size = varint() if kind == 2 else {1: 8, 5: 4}[kind]
            value, at = message[at:at + size], at + size
        found.setdefault(key >> 3, []).append(value)
    return found


class StoreCalls:
    """Over one connection. Calls raise grpc.RpcError."""

    def __init__(self, address, timeout_seconds=30):
        self._channel = raw_calls.new_channel(address)
        self._timeout = timeout_seconds

    def close(self):
        self._channel.close()

    def _unary(self, method, request):
        return fields(self._channel.unary_unary(method)(request, timeout=self._timeout))

    def upload(self, model, files):
        raw_calls.upload(self._channel, raw_calls.upload_messages(model, files),
                         self._timeout).result()

    def tag(self, model, tag):
        self._unary(_STORE + "SetTag", raw_calls.text_field(1, raw_calls.text_field(1, model)) +
                    raw_calls.text_field(2, tag))

    def delete(self, model):
        """By its tag latest."""
        self._unary(_STORE + "Delete", raw_calls.text_field(1, raw_calls.text_field(1, model)))

    def backup(self, name):
        self._unary(_ADMIN + "CreateBackup", raw_calls.text_field(1, name))

    def tags(self):
        """All "model:tag" there are."""
        found, token = set(), b""
        while True:
            page = self._unary(_STORE + "ListModels",
                               raw_calls.text_field(2, token) if token else b"")
            for model in map(fields, page.get(1, [])):
                found |= {(model[1][0] + b":" + fields(tag)[1][0]).decode()
                          for tag in model.get(2, [])}
            token = page.get(2, [b""])[0]
            if not token:
                return found

    def problems(self, reference):
        """What verifying "model:tag" finds."""
        model, tag = reference.split(":")
        request = raw_calls.text_field(
            1, raw_calls.text_field(1, model) + raw_calls.text_field(2, tag))
        call = self._channel.unary_stream(_STORE + "Verify")(request, timeout=self._timeout)
        last = None
        for last in call:
            pass
        found = fields(last)
        problems = [text.decode() for text in found.get(4, [])]
        return problems if found.get(5) else [*problems, "the verification has no end"]

    def damage(self):
        """What the scrub has noted."""
        status = self._unary(_ADMIN + "GetScrubStatus", b"")
        return [fields(damage)[3][0].decode() for damage in status.get(7, [])]

    def serves(self, service=""):
        """What the standard health service says of it."""
        check = self._channel.unary_unary("/grpc.health.v1.Health/Check")
        request = raw_calls.text_field(1, service) if service else b""
        return check(request, timeout=self._timeout) == _SERVING


def error_text(error):
    """Code and message of a grpc.RpcError."""
    assert isinstance(error, grpc.RpcError)
    return f"{error.code().name}: {error.details()}"
