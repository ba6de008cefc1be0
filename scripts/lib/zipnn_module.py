"""Imports ZipNN without PyTorch.

ZipNN 0.5.4 imports torch and safetensors at once, and uses them for tensors; bytes
go through numpy and its C module alone. PyTorch is five gigabytes: what ZipNN asks
of it while it is imported are names, and any object will do.
"""

import sys
import types


class _Anything(types.ModuleType):
    """A module whose every name is a class of its own."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        value = type(name, (), {})
        setattr(self, name, value)
        return value


def load():
    """The class ZipNN."""
    torch = _Anything("torch")
    torch.jit = types.SimpleNamespace(script=lambda function: function)
    sys.modules["torch"] = torch
    for name in ("safetensors", "safetensors.torch"):
        sys.modules[name] = _Anything(name)
    from zipnn import ZipNN

    return ZipNN
