"""Reads and writes safetensors files; standard library and numpy only.

Written apart from the C++ parser, so that each checks the other. The format is
a u64 little-endian header length, a JSON header, and the tensors' bytes.
"""

import json
import struct
from typing import Dict, NamedTuple, Optional, Tuple

import numpy as np

ITEM_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "U16": 16, "I16": 16,
    "F16": 16, "BF16": 16, "U32": 32, "I32": 32, "F32": 32, "U64": 64, "I64": 64,
    "F64": 64, "F8_E8M0": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8, "C64": 64,
}


def tensor_bytes(dtype, shape) -> int:
    """What a tensor takes; its bits must be whole bytes."""
    size, rest = divmod(ITEM_BITS[dtype] * int(np.prod(shape, dtype=object)), 8)
    if rest:
        raise ValueError(f"{dtype} of shape {shape} ends within a byte")
    return size


class Tensor(NamedTuple):
    """dtype as safetensors spells it, shape, and the raw little-endian bytes."""
    dtype: str
    shape: Tuple[int, ...]
    raw: bytes


def encode(tensors: Dict[str, Tensor], metadata: Optional[Dict[str, str]] = None,
           pad: bool = True) -> bytes:
    """Returns the bytes of a file that holds `tensors` in their order."""
    header, offset = {}, 0
    if metadata is not None:
        header["__metadata__"] = metadata
    for name, tensor in tensors.items():
        end = offset + len(tensor.raw)
        header[name] = {"dtype": tensor.dtype, "shape": list(tensor.shape),
                        "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, ensure_ascii=False).encode()
    if pad:
        text += b" " * (-len(text) % 8)
    return (struct.pack("<Q", len(text)) + text +
            b"".join(tensor.raw for tensor in tensors.values()))


def write(path, tensors: Dict[str, Tensor],
          metadata: Optional[Dict[str, str]] = None) -> None:
    with open(path, "wb") as file:
        file.write(encode(tensors, metadata))


def read(path) -> Tuple[Dict[str, Tensor], Optional[Dict[str, str]]]:
    """Returns the tensors by name, and `__metadata__` or None."""
    with open(path, "rb") as file:
        content = file.read()
    (length,) = struct.unpack_from("<Q", content)
    if length > len(content) - 8:
        raise ValueError(f"{path}: header of {length} bytes in {len(content)} bytes")
    header = json.loads(content[8:8 + length])
    metadata = header.pop("__metadata__", None)
    tensors, begin = {}, 8 + length
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        expected = tensor_bytes(entry["dtype"], entry["shape"])
        if not 0 <= start <= end <= len(content) - begin or end - start != expected:
            raise ValueError(f"{path}: tensor {name} does not fit its offsets")
        tensors[name] = Tensor(entry["dtype"], tuple(entry["shape"]),
                               content[begin + start:begin + end])
    return tensors, metadata


def f32_to_bf16(values: np.ndarray) -> np.ndarray:
    """Rounds to nearest even; returns the patterns as uint16. NaN stays NaN."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = ((bits + (((bits >> 16) & 1) + np.uint32(0x7FFF))) >> 16).astype(np.uint16)
    quiet_nan = ((bits >> 16) | 0x40).astype(np.uint16)
    return np.where(np.isnan(values), quiet_nan, rounded)


def bf16_to_f32(patterns: np.ndarray) -> np.ndarray:
    return (patterns.astype(np.uint32) << 16).view(np.float32)


def to_f32(tensor: Tensor) -> np.ndarray:
    """The values of an F32, F16 or BF16 tensor, exactly, in its shape."""
    if tensor.dtype == "F32":
        values = np.frombuffer(tensor.raw, "<f4")
    elif tensor.dtype == "F16":
        values = np.frombuffer(tensor.raw, "<f2").astype(np.float32)
    elif tensor.dtype == "BF16":
        values = bf16_to_f32(np.frombuffer(tensor.raw, "<u2"))
    else:
        raise ValueError(f"{tensor.dtype} is not a float type this file knows")
    return values.reshape(tensor.shape)


def from_f32(values: np.ndarray, dtype: str) -> Tensor:
    """Rounds to nearest even; values beyond the largest F16 become infinite."""
    if dtype == "F32":
        raw = np.ascontiguousarray(values, "<f4").tobytes()
    elif dtype == "F16":
        with np.errstate(over="ignore"):
            raw = values.astype("<f2").tobytes()
    elif dtype == "BF16":
        raw = f32_to_bf16(values).astype("<u2").tobytes()
    else:
        raise ValueError(f"cannot cast to {dtype}")
    return Tensor(dtype, tuple(values.shape), raw)
