#!/usr/bin/python3
"""Writes a made-up model directory whose weights are distributed like real ones.

    generate_model.py TARGET_DIR [--dtype F32|F16|BF16] [--layers N] [--hidden N]
                      [--vocabulary N] [--shard-bytes N] [--seed N]

The shape is that of a BERT encoder: per layer four hidden x hidden matrices and
two of hidden x 4 hidden, with biases and norms, and embeddings. Each row of a
matrix is Gaussian with a deviation of its own. Tensors are written as they are
made, so the memory used does not grow with the model.
"""

import argparse
import json
import pathlib
import struct
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
import safetensors_file as sf  # noqa: E402

ROWS_AT_ONCE = 4096


def layout(layers, hidden, vocabulary):
    """Yields name and shape of each tensor, in file order."""
    yield "embeddings.word_embeddings.weight", (vocabulary, hidden)
    yield "embeddings.position_embeddings.weight", (512, hidden)
    yield "embeddings.LayerNorm.weight", (hidden,)
    yield "embeddings.LayerNorm.bias", (hidden,)
    for layer in range(layers):
        prefix = f"encoder.layer.{layer}"
        for part, rows, columns in (
                ("attention.self.query", hidden, hidden),
                ("attention.self.key", hidden, hidden),
                ("attention.self.value", hidden, hidden),
                ("attention.output.dense", hidden, hidden),
                ("intermediate.dense", 4 * hidden, hidden),
                ("output.dense", hidden, 4 * hidden)):
            yield f"{prefix}.{part}.weight", (rows, columns)
            yield f"{prefix}.{part}.bias", (rows,)
        for part in ("attention.output.LayerNorm", "output.LayerNorm"):
            yield f"{prefix}.{part}.weight", (hidden,)
            yield f"{prefix}.{part}.bias", (hidden,)


def shards(tensors, dtype, shard_bytes):
    """Splits (name, shape) pairs into lists of at most about shard_bytes."""
    current, size = [], 0
    for name, shape in tensors:
        tensor_bytes = sf.tensor_bytes(dtype, shape)
        if current and size + tensor_bytes > shard_bytes:
            yield current
            current, size = [], 0
        current.append((name, shape))
        size += tensor_bytes
    yield current


def write_tensor(file, name, shape, dtype, random):
    if len(shape) == 1:
        mean = 1.0 if name.endswith("LayerNorm.weight") else 0.0
        values = random.normal(mean, 0.05, shape).astype(np.float32)
        file.write(sf.from_f32(values, dtype).raw)
        return
    for begin in range(0, shape[0], ROWS_AT_ONCE):
        rows = min(ROWS_AT_ONCE, shape[0] - begin)
        deviation = np.exp(random.normal(np.log(0.04), 0.25, (rows, 1)))
        values = random.standard_normal((rows, shape[1]), np.float32)
        values *= deviation.astype(np.float32)
        file.write(sf.from_f32(values, dtype).raw)


def write_shard(path, tensors, dtype, random):
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in tensors:
        end = offset + sf.tensor_bytes(dtype, shape)
        header[name] = {"dtype": dtype, "shape": list(shape),
                        "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape in tensors:
            write_tensor(file, name, shape, dtype, random)
    return offset


def generate(target, dtype="F32", layers=6, hidden=384, vocabulary=30522,
             shard_bytes=5_000_000_000, seed=1):
    target.mkdir(parents=True)
    random = np.random.Generator(np.random.SFC64(seed))
    parts = list(shards(layout(layers, hidden, vocabulary), dtype, shard_bytes))
    weight_map, total = {}, 0
    for number, tensors in enumerate(parts, 1):
        name = "model.safetensors" if len(parts) == 1 else (
            f"model-{number:05d}-of-{len(parts):05d}.safetensors")
        total += write_shard(target / name, tensors, dtype, random)
        weight_map.update((tensor, name) for tensor, _ in tensors)
    if len(parts) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        (target / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))
    (target / "config.json").write_text(json.dumps({
        "architectures": ["BertModel"], "model_type": "bert", "hidden_size": hidden,
        "intermediate_size": 4 * hidden, "num_attention_heads": max(1, hidden // 32),
        "num_hidden_layers": layers, "vocab_size": vocabulary,
        "max_position_embeddings": 512}, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target_dir", type=pathlib.Path)
    parser.add_argument("--dtype", default="F32", choices=("F32", "F16", "BF16"))
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--hidden", type=int, default=384)
    parser.add_argument("--vocabulary", type=int, default=30522)
    parser.add_argument("--shard-bytes", type=int, default=5_000_000_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.target_dir.exists():
        parser.error(f"{arguments.target_dir} exists already")
    generate(arguments.target_dir, arguments.dtype, arguments.layers, arguments.hidden,
             arguments.vocabulary, arguments.shard_bytes, arguments.seed)


if __name__ == "__main__":
    main()
