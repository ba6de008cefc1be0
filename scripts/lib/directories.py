"""Compares and measures directories."""

import hashlib
import pathlib


def sha256_by_path(directory):
    """Every file's SHA-256, by its path relative to `directory`."""
    directory = pathlib.Path(directory)
    digests = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            with open(path, "rb") as file:
                digest = hashlib.sha256()
                while block := file.read(1 << 20):
                    digest.update(block)
            digests[str(path.relative_to(directory))] = digest.hexdigest()
    return digests


def total_bytes(directory):
    """The sum of the files' sizes; files that vanish meanwhile count nothing."""
    total = 0
    for path in pathlib.Path(directory).rglob("*"):
        try:
            if path.is_file():
                total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total
