#!/usr/bin/python3
"""Writes stores/format-N.tar.gz: a data directory of store format N.

    make_store.py NUMBER

Run it once for a format, by the build that brings it. An archive is never
written again: every later build has to open it, or to refuse it and say how to
carry it over.
"""

import json
import pathlib
import sys
import tarfile
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import harness  # noqa: E402
import models  # noqa: E402

# What RocksDB makes anew.
LEFT_OUT = ("LOCK", "LOG", "IDENTITY", "OPTIONS-", "scrub-state")


EMBEDDING = "embeddings.word_embeddings.weight"


def tiny_tensors(dtype, seed):
    return {**models.small_tensors(dtype, 12, 16, seed),
            EMBEDDING: models.gaussian((10, 16), dtype, seed)}


def write_models(directory):
    tensors = {**tiny_tensors("BF16", 1), "position_ids": models.raw_tensor("I64", (1, 12))}
    yield "org/zstd", models.write_model(directory / "a", tensors), ()
    yield "org/sliced", models.write_model(
        directory / "b", tiny_tensors("F32", 50),
        files={"sub/notes.txt": b"some text"}), ("--int8-coder", "sliced")


def main():
    target = HERE.parent / "stores" / f"format-{int(sys.argv[1])}.tar.gz"
    if target.exists():
        sys.exit(f"{target} exists and must stay as it is")
    with tempfile.TemporaryDirectory() as holder:
        path = pathlib.Path(holder)
        expected = {}
        with harness.Daemon(harness.BIN_DIR, path / "data", path / "log") as daemon:
            client = harness.Client(harness.BIN_DIR, daemon.address)
            for name, model, flags in write_models(path):
                client.json("upload", model, name, *flags)
                expected[name] = {str(file): digest for file, digest
                                  in harness.sha256_by_path(model).items()}
        (path / "expected.json").write_text(json.dumps(expected, indent=1))
        with tarfile.open(target, "w:gz") as archive:
            archive.add(path / "expected.json", "expected.json")
            for file in sorted((path / "data").iterdir()):
                if file.is_file() and not file.name.startswith(LEFT_OUT):
                    archive.add(file, f"data/{file.name}")
    print(target, target.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
