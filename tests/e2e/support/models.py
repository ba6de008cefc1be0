"""Small model directories for the tests."""

import json

import numpy as np

import safetensors_file as sf


def gaussian(shape, dtype, seed=0):
    """A tensor whose rows have different deviations, as real weights do."""
    random = np.random.default_rng(seed)
    values = random.standard_normal(shape).astype(np.float32) * 0.04
    if len(shape) == 2:
        values *= np.exp(random.normal(0, 0.3, (shape[0], 1))).astype(np.float32)
    return sf.from_f32(values, dtype)


def raw_tensor(dtype, shape, seed=0):
    """Random bytes of any dtype: whatever stands there must come back."""
    size = sf.tensor_bytes(dtype, shape)
    return sf.Tensor(dtype, tuple(shape),
                     np.random.default_rng(seed).integers(0, 256, size, np.uint8).tobytes())


def small_tensors(dtype="F32", rows=96, columns=64, seed=0):
    """Two linear layers with biases, a norm and an embedding."""
    return {
        "embeddings.word_embeddings.weight": gaussian((200, columns), dtype, seed + 1),
        "encoder.layer.0.query.weight": gaussian((rows, columns), dtype, seed + 2),
        "encoder.layer.0.query.bias": gaussian((rows,), dtype, seed + 3),
        "encoder.layer.0.output.weight": gaussian((columns, rows), dtype, seed + 4),
        "encoder.layer.0.output.LayerNorm.weight": gaussian((columns,), dtype, seed + 5),
    }


LINEAR_NAMES = ("encoder.layer.0.query.weight", "encoder.layer.0.output.weight")


def write_model(directory, tensors=None, config=None, files=(), metadata=None):
    """A directory with model.safetensors, config.json and other files."""
    directory.mkdir(parents=True)
    sf.write(directory / "model.safetensors",
             small_tensors() if tensors is None else tensors,
             {"format": "pt"} if metadata is None else metadata)
    (directory / "config.json").write_text(json.dumps(
        config or {"model_type": "bert", "hidden_size": 64}))
    for path, content in dict(files).items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return directory


def write_sharded_model(directory, tensors, shards=3):
    """The tensors over several files, with an index, as Transformers writes it."""
    directory.mkdir(parents=True)
    names, weight_map = list(tensors), {}
    for number in range(shards):
        file = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        part = {name: tensors[name] for name in names[number::shards]}
        sf.write(directory / file, part, {"format": "pt"})
        weight_map.update(dict.fromkeys(part, file))
    (directory / "model.safetensors.index.json").write_text(json.dumps({
        "metadata": {"total_size": sum(len(t.raw) for t in tensors.values())},
        "weight_map": weight_map}, indent=2))
    (directory / "config.json").write_text('{"model_type": "bert"}')
    return directory


def write_large_model(directory, tensor_count=8, rows=4096, columns=2048, dtype="BF16"):
    """Distinct large tensors made quickly: one block, its rows rotated by one.

    The defaults make 8 tensors of 16 MiB.
    """
    directory.mkdir(parents=True)
    block = gaussian((rows, columns), dtype)
    row_bytes = len(block.raw) // rows
    header, size = {}, len(block.raw)
    for number in range(tensor_count):
        header[f"layer.{number}.proj.weight"] = {
            "dtype": dtype, "shape": [rows, columns],
            "data_offsets": [number * size, (number + 1) * size]}
    text = json.dumps(header).encode()
    with open(directory / "model.safetensors", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for number in range(tensor_count):
            cut = number * row_bytes
            file.write(block.raw[cut:])
            file.write(block.raw[:cut])
    (directory / "config.json").write_text('{"model_type": "bert"}')
    return directory
