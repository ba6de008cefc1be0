"""The independent decoder against what the codec stores.

    decoder_test.py CHUNK_EXPORTER    golden files, and chunks exported now
    decoder_test.py CHUNK_EXPORTER FORMAT COLUMNS FILE...    real weights
"""

import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

import numpy as np

import format_reader
from format_reader import FormatError, Reader, Shape

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "codec" / "golden" / "v1"
SCALES, CODES, ORIGINAL, BLOB = 252, 253, 254, 255
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


def check_real_weights(float_format, columns, path):
    """Whether the weights in `path` come back; prints what they take."""
    with export(float_format, columns, path) as directory:
        (exported,) = pathlib.Path(directory).glob("*.chunk")
        shape, found = read_chunk_file(exported)
    decoded = format_reader.read_weights(shape, found[BLOB], residual_of(found))
    stored = len(found[BLOB]) + sum(map(len, residual_of(found).values()))
    same = decoded == found[ORIGINAL]
    print(
        f"{path}: {shape.rows} x {shape.columns},"
        f" {8 * stored / shape.weight_count:.2f} bits a weight:"
        f" {'identical' if same else 'DIFFERENT'}"
    )
    return same


def main():
    global exporter
    exporter, *real = sys.argv[1:]
    if not real:
        return unittest.main(argv=sys.argv[:1])
    float_format, columns, *paths = real
    return sys.exit(not all([check_real_weights(float_format, columns, path) for path in paths]))


if __name__ == "__main__":
    main()
