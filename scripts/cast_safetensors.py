#!/usr/bin/python3
"""Copies a model directory, casting its float tensors.

    cast_safetensors.py SOURCE_DIR TARGET_DIR --dtype F32|F16|BF16 [--via BF16|F16]

F32, F16 and BF16 tensors are rounded to nearest even; tensors of other types
and all other files are copied. With --via the values pass through that type
first: `--via BF16 --dtype F16` keeps BF16 values in an F16 file. torch_dtype in
config.json follows.
"""

import argparse
import json
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
import safetensors_file as sf  # noqa: E402

FLOAT_DTYPES = ("F32", "F16", "BF16")
TORCH_NAMES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def cast(tensor, dtype, via):
    if tensor.dtype not in FLOAT_DTYPES:
        return tensor
    values = sf.to_f32(tensor)
    if via:
        values = sf.to_f32(sf.from_f32(values, via))
    return sf.from_f32(values, dtype)


def cast_directory(source, target, dtype, via=None):
    shutil.copytree(source, target)
    for path in sorted(target.rglob("*.safetensors")):
        tensors, metadata = sf.read(path)
        sf.write(path, {name: cast(tensor, dtype, via)
                        for name, tensor in tensors.items()}, metadata)
    config = target / "config.json"
    if config.exists():
        settings = json.loads(config.read_text())
        settings["torch_dtype"] = TORCH_NAMES[dtype]
        config.write_text(json.dumps(settings, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source_dir", type=pathlib.Path)
    parser.add_argument("target_dir", type=pathlib.Path)
    parser.add_argument("--dtype", required=True, choices=FLOAT_DTYPES)
    parser.add_argument("--via", choices=FLOAT_DTYPES)
    arguments = parser.parse_args()
    if arguments.target_dir.exists():
        parser.error(f"{arguments.target_dir} exists already")
    cast_directory(arguments.source_dir, arguments.target_dir, arguments.dtype,
                   arguments.via)


if __name__ == "__main__":
    main()
