"""The independent decoder against what the codec stores.

    decoder_test.py CHUNK_EXPORTER    golden files, and chunks exported now
    decoder_test.py CHUNK_EXPORTER MODEL.safetensors...    every matrix of a model
"""

import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

import numpy as np

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "scripts" / "lib"))

import format_reader
import safetensors_file
from format_reader import FormatError, Reader, Shape

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "codec" / "golden" / "v1"
SCALES, CODES, ORIGINAL, BLOB = 252, 253, 254, 255
FLOAT_FORMATS = {"F32": 1, "F16": 2, "BF16": 3}
CHUNK_WEIGHTS = 1 << 22
exporter = None


def entries(reader, length_size):
    found = {}
    while len(reader.rest) > 0:
        kind = reader.u8()
        found[kind] = bytes(reader.take(reader.unsigned(length_size)))
    return found


def read_chunk_file(path):
    reader = Reader(path.read_bytes())
    shape = Shape(*(reader.u32() for _ in range(5)))
    return shape, entries(reader, 4)


def read_golden_file(path):
    reader = Reader(path.read_bytes())
    shape = Shape(*struct.unpack("<BBHHH", reader.take(8)))
    return shape, entries(reader, 2)


def residual_of(found):
    return {kind: value for kind, value in found.items() if kind < SCALES}


def coder_of(blob):
    """Its number, and of the sliced coder which classes it has."""
    content = 8 + int.from_bytes(blob[4:8], "little")
    return blob[9], blob[content + 2] if blob[9] == 2 else 0


def export(*arguments):
    """Chunks in a directory that is removed when the test ends."""
    directory = tempfile.TemporaryDirectory()
    subprocess.run([exporter, directory.name, *arguments], check=True)
    return directory


class GoldenFilesTest(unittest.TestCase):
    def test_decode(self):
        paths = sorted(GOLDEN.glob("*.chunk"))
        self.assertGreaterEqual(len(paths), 8)
        for path in paths:
            with self.subTest(path.stem):
                shape, found = read_golden_file(path)
                decoded = format_reader.read_weights(shape, found[BLOB], residual_of(found))
                self.assertEqual(decoded, found[ORIGINAL])

    def test_decode_int8(self):
        for name, code in (
            ("sliced", lambda i: (i * i + 3 * i) % 20 - 10),
            ("sliced_classes", lambda i: (i * i + 5 * i) % 8 - 4),
        ):
            with self.subTest(name):
                reader = Reader((GOLDEN / f"{name}.int8").read_bytes())
                shape = Shape(*struct.unpack("<BBHHH", reader.take(8)))
                codes, _ = format_reader.read_int8(shape, reader.rest)
                self.assertEqual(codes.tolist(), [code(i) for i in range(shape.weight_count)])

    def test_worked_plain_example(self):
        blob = bytes.fromhex("01 06 04000000 00 02000000 00 02000000 0001 7F80")
        self.assertEqual(format_reader.read_plain(blob, 4), bytes.fromhex("803F00C0"))


class ExportedTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = export()
        cls.root = pathlib.Path(cls.directory.name)

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def test_chunks(self):
        seen = set()
        seen_coders = set()
        for path in sorted(self.root.glob("*.chunk")):
            with self.subTest(path.stem):
                shape, found = read_chunk_file(path)
                codes, scales = format_reader.read_int8(shape, found[BLOB])
                self.assertEqual(codes.tobytes(), found[CODES])
                self.assertEqual(scales.astype("<f4").tobytes(), found[SCALES])
                residual = residual_of(found)
                decoded = format_reader.read_weights(shape, found[BLOB], residual)
                self.assertTrue(decoded == found[ORIGINAL], "the weights differ")
                seen |= set(residual)
                seen_coders.add(coder_of(found[BLOB]))
        # Otherwise the chunks above leave part of the format untried.
        special = {format_reader.EXTRA, format_reader.ZERO}
        special |= {format_reader.EXCEPTIONS, format_reader.PLAIN, format_reader.DIFFERENCES}
        self.assertEqual(seen, {*range(24), *special})
        # zstd; sliced without classes, with those of rows, of columns, of both.
        self.assertEqual(seen_coders, {(1, 0), (2, 0), (2, 1), (2, 2), (2, 3)})

    def test_plain_blobs(self):
        paths = sorted(self.root.glob("*.plain"))
        self.assertEqual(len(paths), 12)
        for path in paths:
            with self.subTest(path.stem):
                found = entries(Reader(path.read_bytes()), 4)
                decoded = format_reader.read_plain(found[BLOB], len(found[ORIGINAL]))
                self.assertTrue(decoded == found[ORIGINAL], "the bytes differ")

    def test_damage_is_refused_or_harmless(self):
        """The reader itself must not wander off: that would hide a broken page."""
        shape, found = read_chunk_file(self.root / "bf16_odd_values.chunk")
        random = np.random.default_rng(1)
        refused = 0
        for _ in range(200):
            residual = {kind: bytearray(value) for kind, value in residual_of(found).items()}
            value = residual[random.choice(sorted(residual))]
            value[random.integers(len(value))] ^= 1 << random.integers(8)
            try:
                decoded = format_reader.read_weights(shape, found[BLOB], residual)
            except FormatError:
                refused += 1
            else:
                self.assertEqual(len(decoded), len(found[ORIGINAL]))
        self.assertGreater(refused, 5)


def check_matrix(float_format, rows, columns, raw):
    """Whether a matrix comes back, chunk by chunk; and the bytes that it takes."""
    row_bytes = len(raw) // rows
    chunk_rows = max(1, CHUNK_WEIGHTS // columns)
    stored, same = 0, True
    for first in range(0, rows, chunk_rows):
        with tempfile.NamedTemporaryFile() as file:
            file.write(raw[first * row_bytes : (first + chunk_rows) * row_bytes])
            file.flush()
            with export(str(float_format), str(columns), file.name) as directory:
                (exported,) = pathlib.Path(directory).glob("*.chunk")
                shape, found = read_chunk_file(exported)
        decoded = format_reader.read_weights(shape, found[BLOB], residual_of(found))
        stored += len(found[BLOB]) + sum(map(len, residual_of(found).values()))
        same &= decoded == found[ORIGINAL]
    return same, stored


def check_model(path):
    """Whether every matrix of the file comes back; prints what they take."""
    weights = stored = 0
    different = []
    tensors, _ = safetensors_file.read(path)
    for name, tensor in tensors.items():
        if tensor.dtype not in FLOAT_FORMATS or len(tensor.shape) != 2 or not tensor.raw:
            continue
        same, taken = check_matrix(FLOAT_FORMATS[tensor.dtype], *tensor.shape, tensor.raw)
        weights += tensor.shape[0] * tensor.shape[1]
        stored += taken
        different += [] if same else [name]
    print(f"{path}: {weights} weights, {8 * stored / max(weights, 1):.2f} bits each:", end=" ")
    print(f"DIFFERENT: {different}" if different else "identical")
    return weights > 0 and not different


def main():
    global exporter
    exporter, *models = sys.argv[1:]
    if not models:
        return unittest.main(argv=sys.argv[:1])
    return sys.exit(not all([check_model(path) for path in models]))


if __name__ == "__main__":
    main()
