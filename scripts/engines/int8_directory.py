"""Reads the weights of an INT8 directory, and writes what they stand for as an
ordinary directory: the reference that engines are held against."""

import json
import pathlib
import shutil

import safetensors.torch
import torch

PACKED = "_packed"


def files(directory):
    return sorted(pathlib.Path(directory).rglob("*.safetensors"))


def tensors(directory):
    merged = {}
    for path in files(directory):
        merged.update(safetensors.torch.load_file(path))
    return merged


def quantization(directory):
    """The quantization_config, or None."""
    config = json.loads((pathlib.Path(directory) / "config.json").read_text())
    return config.get("quantization_config")


def unpack(packed, shape):
    """I32 words to codes: four to a word, the first in the lowest byte, 128 added."""
    rows, columns = (int(extent) for extent in shape)
    unsigned = packed.contiguous().view(torch.uint8).reshape(rows, -1)[:, :columns]
    return (unsigned.to(torch.int16) - 128).to(torch.int8)


def quantized_weights(stored):
    """{weight's name: (codes, scales)} of the tensors of an INT8 directory."""
    found = {}
    for name, values in stored.items():
        if not name.endswith("_scale"):
            continue
        weight = name.removesuffix("_scale")
        if weight in stored:
            found[weight] = (stored[weight], values)
        elif weight + PACKED in stored:
            codes = unpack(stored[weight + PACKED], stored[weight + "_shape"])
            found[weight] = (codes, values)
    return found


def dequantize(codes, scales):
    codes = codes.float()
    groups = scales.shape[-1] if scales.dim() == 2 else 1
    if groups > 1:
        scales = scales.repeat_interleave(codes.shape[-1] // groups, dim=-1)
    return codes * scales.float()


def write_reference(original, int8, reference):
    """Copies `original` with each quantized weight replaced by codes * scales.

    Returns what is not as it must be: a tensor that is neither quantized nor
    the original's, or that only one of the two directories has.
    """
    shutil.copytree(original, reference)
    problems = []
    stored = tensors(int8)
    quantized = quantized_weights(stored)
    accompanying = {weight + suffix for weight in quantized
                    for suffix in ("_scale", PACKED, "_shape")}
    seen = set()
    for path in files(reference):
        values = safetensors.torch.load_file(path)
        with safetensors.safe_open(path, "pt") as opened:
            metadata = opened.metadata()
        for name, value in values.items():
            seen.add(name)
            if name in quantized:
                values[name] = dequantize(*quantized[name]).to(value.dtype)
            elif name not in stored:
                problems.append(f"{name} is not in the INT8 files")
            elif not same_bits(stored[name], value):
                problems.append(f"{name} is not quantized, yet not the original's")
        safetensors.torch.save_file(values, path, metadata=metadata)
    problems += [f"{name} is only in the INT8 files"
                 for name in sorted(set(stored) - seen - accompanying)]
    return problems, quantized


def same_bits(a, b):
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return torch.equal(a.contiguous().view(torch.uint8) if a.dim() else a,
                       b.contiguous().view(torch.uint8) if b.dim() else b)
