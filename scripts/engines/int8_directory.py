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


def dequantize(codes, scales, dtype, round_scales):
    """codes * scales in `dtype`; the scales themselves are rounded to it first where
    `round_scales` says so, as Transformers does when it loads them."""
    if round_scales:
        scales = scales.to(dtype)
    codes, scales = codes.float(), scales.float()
    if scales.dim() == 2 and scales.shape[1] > 1:
        scales = scales.repeat_interleave(codes.shape[1] // scales.shape[1], dim=1)
    return (codes * scales).to(dtype)


def differences(original, int8):
    """What an INT8 directory has that is neither quantized nor the original's, and
    what it lacks; and the elements that are quantized."""
    before, stored = tensors(original), tensors(int8)
    quantized = quantized_weights(stored)
    accompanying = {weight + suffix for weight in quantized
                    for suffix in ("_scale", PACKED, "_shape")}
    problems = []
    for name, value in before.items():
        if name in quantized:
            if quantized[name][0].shape != value.shape:
                problems.append(f"{name} has another shape than the original's")
        elif name not in stored:
            problems.append(f"{name} is not in the INT8 files")
        elif not same_bits(stored[name], value):
            problems.append(f"{name} is not quantized, yet not the original's")
    problems += [f"{name} is only in the INT8 files"
                 for name in sorted(set(stored) - set(before) - accompanying)]
    return problems, sum(codes.numel() for codes, _ in quantized.values())


def write_reference(original, int8, reference, round_scales):
    """Copies `original` with each quantized weight replaced by codes * scales."""
    shutil.copytree(original, reference)
    quantized = quantized_weights(tensors(int8))
    for path in files(reference):
        values = safetensors.torch.load_file(path)
        with safetensors.safe_open(path, "pt") as opened:
            metadata = opened.metadata()
        for name, value in values.items():
            if name in quantized:
                values[name] = dequantize(*quantized[name], value.dtype, round_scales)
        safetensors.torch.save_file(values, path, metadata=metadata)


def same_bits(a, b):
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return torch.equal(a.contiguous().view(torch.uint8) if a.dim() else a,
                       b.contiguous().view(torch.uint8) if b.dim() else b)
