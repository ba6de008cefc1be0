"""Reads the stored bytes that docs/format.md describes.

Written from that page alone: it shares nothing with the C++ codec, so that each
checks the other and the page. Needs numpy and zstandard; speed does not matter.
"""

import dataclasses

import numpy as np
import zstandard


class FormatError(ValueError):
    """The bytes break a rule of docs/format.md."""


def require(condition, rule):
    if not condition:
        raise FormatError(rule)


class Reader:
    """Takes bytes off the front."""

    def __init__(self, content):
        self.rest = memoryview(content)

    def take(self, size):
        require(size <= len(self.rest), f"{size} bytes wanted, {len(self.rest)} left")
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken

    def unsigned(self, size):
        return int.from_bytes(self.take(size), "little")

    def u8(self):
        return self.unsigned(1)

    def u32(self):
        return self.unsigned(4)

    def end(self):
        require(len(self.rest) == 0, f"{len(self.rest)} bytes follow the end")


def zstd_frame(stored, size):
    """The content of exactly one zstd frame of `size` bytes, with nothing after it."""
    decompressor = zstandard.ZstdDecompressor().decompressobj()
    try:
        content = decompressor.decompress(bytes(stored))
    except zstandard.ZstdError as error:
        raise FormatError(f"zstd: {error}") from error
    require(decompressor.unused_data == b"", "bytes follow the zstd frame")
    require(len(content) == size, f"a zstd frame of {len(content)} bytes, not {size}")
    return content


def plane(reader, size):
    """"Byte planes": u32 L, then the plane itself or one zstd frame."""
    stored_size = reader.u32()
    require(stored_size <= size, "a plane longer than it decodes to")
    stored = reader.take(stored_size)
    content = stored if stored_size == size else zstd_frame(stored, size)
    return np.frombuffer(content, np.uint8)


def from_planes(planes):
    """The integers whose bytes the planes hold, lowest first, as uint64."""
    merged = np.zeros(len(planes[0]), np.uint64)
    for position, content in enumerate(planes):
        merged |= content.astype(np.uint64) << np.uint64(8 * position)
    return merged


def rotate_right(elements, bits):
    """Undoes the rotation that moved the sign into bit 0."""
    elements = elements.astype(np.uint64)
    return (elements >> np.uint64(1)) | ((elements & np.uint64(1)) << np.uint64(bits - 1))


@dataclasses.dataclass(frozen=True)
class FloatFormat:
    number: int
    size: int  # bytes
    mantissa: int  # M, bits
    exponent_mask: int  # E
    unsigned: type

    @property
    def sign_shift(self):
        return 8 * self.size - 1

    def value(self, ordinals):
        """The non-negative weights with these ordinals, as float32."""
        if self.number == 2:
            return ordinals.astype(np.uint16).view(np.float16).astype(np.float32)
        shift = 16 if self.number == 3 else 0
        return (ordinals.astype(np.uint32) << np.uint32(shift)).view(np.float32)


FLOAT_FORMATS = {
    1: FloatFormat(1, 4, 23, 0x7F800000, np.uint32),
    2: FloatFormat(2, 2, 10, 0x7C00, np.uint16),
    3: FloatFormat(3, 2, 7, 0x7F80, np.uint16),
}
TENSOR, CHANNEL, GROUP = 1, 2, 3


@dataclasses.dataclass(frozen=True)
class Shape:
    """What whoever asks for a chunk knows."""

    float_format: int
    strategy: int
    rows: int
    columns: int
    group_size: int

    @property
    def weight_count(self):
        return self.rows * self.columns

    def scale_index(self):
        """For each weight, in weight order, which scale is its own."""
        rows, columns = np.divmod(np.arange(self.weight_count), self.columns)
        if self.strategy == TENSOR:
            return np.zeros(self.weight_count, np.int64)
        if self.strategy == CHANNEL:
            return rows
        groups = -(-self.columns // self.group_size)
        return rows * groups + columns // self.group_size

    @property
    def scale_count(self):
        if self.strategy == TENSOR:
            return 1
        if self.strategy == CHANNEL:
            return self.rows
        return self.rows * -(-self.columns // self.group_size)


def read_int8(shape, blob):
    """"INT8 blob": (codes as int8, scales as float32)."""
    reader = Reader(blob)
    require(reader.u32() == 0x184D2A50, "no skippable frame")
    header = Reader(reader.take(reader.u32()))
    require(header.u8() == 1, "unknown version")
    coder = header.u8()
    float_format, strategy = header.u8(), header.u8()
    scale_coding = header.u8()
    require(header.unsigned(3) == 0, "the three bytes at 5 are not 0")
    stored_shape = Shape(float_format, strategy, header.u32(), header.u32(), header.u32())
    require(stored_shape == shape, f"the shape is {stored_shape}, not {shape}")

    scales = read_scales(shape, scale_coding, header)
    header.end()
    if coder == 1:
        codes = np.frombuffer(zstd_frame(reader.rest, shape.weight_count), np.int8)
    else:
        require(coder == 2, "unknown coder")
        codes = read_sliced(shape, reader)
    return codes, scales


def read_scales(shape, scale_coding, reader):
    """"Scales"."""
    require(scale_coding in (0, 1), "unknown scale coding")
    element = FLOAT_FORMATS[1 if scale_coding == 0 else shape.float_format]
    planes = [plane(reader, shape.scale_count) for _ in range(element.size)]
    elements = rotate_right(from_planes(planes), 8 * element.size).astype(element.unsigned)
    sign = (elements >> element.unsigned(element.sign_shift)).astype(bool)
    ordinals = elements & element.unsigned((1 << element.sign_shift) - 1)
    scales = element.value(ordinals)
    scales = np.where(sign, -scales, scales)
    if scale_coding == 1:
        scales = scales / np.float32(127)
    return scales


def halves(reader, count):
    """`count` numbers of 4 bits, two a byte."""
    stored = np.frombuffer(reader.take((count + 1) // 2), np.uint8)
    return np.stack([stored & 15, stored >> 4], 1).ravel()[:count].astype(np.int64)


def read_sliced(shape, reader):
    """"Sliced codes": the codes as int8."""
    shortest, levels, flags = reader.u8(), reader.u8(), reader.u8()
    require(shortest <= 6 and levels <= 8 and flags <= 3, "a bad sliced header")
    table_count = 16 if flags else 1
    bounds = np.frombuffer(reader.take(levels * table_count), np.uint8)
    bounds = bounds.reshape(levels, table_count).astype(np.int64)
    nodes = np.full(table_count, 1 << shortest)
    previous = np.zeros(table_count, np.int64)
    for bound in bounds:
        require(((previous <= bound) & (bound <= nodes)).all(), "a bad bound")
        nodes, previous = 2 * nodes - bound, bound
        require((nodes <= 128).all(), "too many nodes")

    row_classes = halves(reader, shape.rows) if flags & 1 else np.zeros(shape.rows, np.int64)
    column_classes = (
        halves(reader, shape.columns) if flags & 2 else np.zeros(shape.columns, np.int64)
    )
    sizes = [reader.u32() for _ in range(levels)]
    blocks, rest = divmod(shape.weight_count, 64)
    width = shortest + 1
    records = np.frombuffer(reader.take(8 * width * blocks), np.uint8).reshape(blocks, 8 * width)
    values = np.zeros((blocks, 64), np.int64)
    begin = shift = 0
    for bits in (4, 2, 1):
        if width & bits:
            field = records[:, begin : begin + 8 * bits].astype(np.int64)
            parts = [field >> first & ((1 << bits) - 1) for first in range(0, 8, bits)]
            values |= np.concatenate(parts, axis=1) << shift
            begin, shift = begin + 8 * bits, shift + bits
    values = values.ravel()
    negative = values >> shortest == 1
    node = values & ((1 << shortest) - 1)

    table = (row_classes[:, None] + column_classes[None, :]).ravel()[: 64 * blocks]
    table = table % 16 if flags else table
    for level, size in enumerate(sizes):
        bound = bounds[level][table]
        goes_on = np.flatnonzero(node >= bound)
        bits = bit_array(reader.take(size), 1, len(goes_on))
        node[goes_on] = 2 * node[goes_on] - bound[goes_on] + bits
    codes = np.where(negative, ~node, node).astype(np.int8)
    last = np.frombuffer(reader.take(rest), np.int8)
    reader.end()
    return np.concatenate([codes, last])


@dataclasses.dataclass(frozen=True)
class Intervals:
    """"Interval": per scale (rows) and code magnitude 0..127 (columns)."""

    first: np.ndarray  # L(a)
    count: np.ndarray  # n(a)
    width: np.ndarray  # k(a)
    threshold: np.ndarray  # u(a)
    top: np.ndarray  # per scale


def lowest_ordinals(float_format, scales):
    """lo(a) for a in 0..128, by bisection over the ordinals; lo(0) is not used."""
    usable = np.isfinite(scales) & (scales > 0)
    divisors = np.where(usable, scales, np.float32(1))[:, None]
    magnitudes = np.arange(129, dtype=np.float32)[None, :]
    low = np.zeros((len(scales), 129), np.int64)
    high = np.full_like(low, float_format.exponent_mask)
    while (low < high).any():
        middle = (low + high) // 2
        # middle is below E wherever low < high; elsewhere the result is not used.
        value = float_format.value(np.minimum(middle, float_format.exponent_mask - 1))
        reaches = np.rint(value / divisors) >= magnitudes
        searching = low < high
        high = np.where(searching & reaches, middle, high)
        low = np.where(searching & ~reaches, middle + 1, low)
    low[~usable] = 0
    return low


def intervals(float_format, scales, grid):
    lowest = lowest_ordinals(float_format, scales)
    on_grid = -(-lowest // (1 << grid))
    count = np.maximum(1, on_grid[:, 1:] - on_grid[:, :-1])
    # frexp gives the exponent exactly: floor(log2(x)) + 1.
    width = np.where(count == 1, 0, np.frexp(np.maximum(1, count - 1))[1] - 1)
    threshold = (np.int64(1) << (width + 1)) - count
    top = np.where(lowest[:, 1] == 0, 0, (lowest[:, 1] - 1) & float_format.exponent_mask)
    return Intervals(on_grid[:, :-1], count, width, threshold, top)


def bit_array(stored, width, count):
    """`count` integers of `width` bits, packed from the lowest bit on."""
    require(len(stored) == -(-width * count // 8), "a bit array of the wrong size")
    bits = np.unpackbits(np.frombuffer(stored, np.uint8), bitorder="little")
    bits = bits[: width * count].reshape(count, width).astype(np.int64)
    return (bits << np.arange(width)).sum(axis=1)


def read_ranks(width, stored, count):
    """The values of subgroup `width`."""
    if width <= 8:
        return bit_array(stored, width, count)
    reader = Reader(stored)
    require(reader.u32() == count, "a subgroup with another number of ranks")
    values = np.zeros(count, np.int64)
    for first_bit in range(0, width, 8):
        plane_width = min(8, width - first_bit)
        part = bit_array(reader.take(-(-plane_width * count // 8)), plane_width, count)
        values |= part << first_bit
    reader.end()
    return values


HEAD, EXTRA, ZERO, EXCEPTIONS, PLAIN, DIFFERENCES = 0, 32, 33, 34, 35, 36
ALLOWED_SUBGROUPS = {
    0: {*range(24), EXTRA, ZERO, EXCEPTIONS},
    1: {HEAD, PLAIN},
    2: {*range(24), EXTRA, ZERO, EXCEPTIONS, DIFFERENCES},
}


def read_weights(shape, int8_blob, residual):
    """The original bytes. `residual` maps subgroup numbers to values."""
    float_format = FLOAT_FORMATS[shape.float_format]
    head = Reader(residual.get(HEAD, b""))
    require(head.u8() == 1, "unknown version")
    mode = head.u8()
    require(mode in ALLOWED_SUBGROUPS, "unknown mode")
    require(set(residual) <= ALLOWED_SUBGROUPS[mode], "a subgroup that the mode does not have")
    require(head.u8() == float_format.number, "another float format")
    if mode == 1:
        return read_plain_fallback(shape, residual.get(PLAIN, b""))
    require(head.u8() == 1, "unknown rounding")
    grid = head.u8()
    require(grid <= float_format.mantissa, "a grid coarser than the mantissa")
    require(head.unsigned(3) == 0, "the three bytes at 5 are not 0")
    zero_count, extra_count, exception_count = head.u32(), head.u32(), head.u32()
    head.end()
    require(exception_count <= shape.weight_count // 2, "too many exceptions")

    codes, scales = read_int8(shape, int8_blob)
    if mode == 2:
        codes, scales = nearest(shape, codes, scales, residual.get(DIFFERENCES, b""))
    table = intervals(float_format, scales, grid)
    scale_index = shape.scale_index()
    codes = codes.astype(np.int64)
    magnitudes = np.where(codes == -128, 0, np.abs(codes))
    weights = np.zeros(shape.weight_count, np.int64)

    coded = np.flatnonzero(magnitudes)
    where = (scale_index[coded], magnitudes[coded])
    widths, thresholds = table.width[where], table.threshold[where]
    ranks = np.zeros(len(coded), np.int64)
    for width in range(1, 24):
        members = widths == width
        stored = residual.get(width, b"")
        if members.any() or stored:
            ranks[members] = read_ranks(width, stored, int(members.sum()))
    takes_extra = ranks >= thresholds
    require(int(takes_extra.sum()) == extra_count, "another number of extra bits")
    extra = bit_array(residual.get(EXTRA, b""), 1, extra_count)
    ranks[takes_extra] = 2 * ranks[takes_extra] - thresholds[takes_extra] + extra
    signs = (codes[coded] < 0).astype(np.int64) << float_format.sign_shift
    weights[coded] = ((table.first[where] + ranks) << grid) | signs

    zero = np.flatnonzero(magnitudes == 0)
    require(len(zero) == zero_count, "another number of codes 0")
    weights[zero] = read_zeros(
        float_format, table.top[scale_index[zero]], residual.get(ZERO, b"")
    )
    replace_exceptions(float_format, exception_count, residual.get(EXCEPTIONS, b""), weights)
    return weights.astype(float_format.unsigned).tobytes()


def read_zeros(float_format, tops, stored):
    """"Code-zero subgroup"."""
    reader = Reader(stored)
    if len(tops) == 0:
        reader.end()
        return np.zeros(0, np.int64)
    bits_of_planes = {1: (8, 8, 8), 2: (3, 8), 3: (8,)}[float_format.number]
    deficit = plane(reader, len(tops)).astype(np.int64)
    low = np.zeros(len(tops), np.int64)  # m: sign and mantissa
    shift = 0
    for width in bits_of_planes:
        part = plane(reader, len(tops)).astype(np.int64) & ((1 << width) - 1)
        low |= part << shift
        shift += width
    reader.end()
    exponent = (tops - (deficit << float_format.mantissa)) & float_format.exponent_mask
    mantissa = low & ((1 << float_format.mantissa) - 1)
    sign = (low >> float_format.mantissa) & 1
    return exponent | mantissa | (sign << float_format.sign_shift)


def replace_exceptions(float_format, count, stored, weights):
    """"Exceptions"."""
    reader = Reader(stored)
    if count > 0:
        positions = read_positions(reader, count, len(weights))
        planes = [plane(reader, count) for _ in range(float_format.size)]
        weights[positions] = from_planes(planes).astype(np.int64)
    reader.end()


def read_positions(reader, count, weight_count):
    gaps = from_planes([plane(reader, count) for _ in range(3)]).astype(np.int64)
    positions = np.cumsum(gaps + 1) - 1
    require(positions[-1] < weight_count, "a position past the end")
    return positions


def nearest(shape, codes, scales, stored):
    """"Code differences": nearest codes and scales."""
    reader = Reader(stored)
    prediction, reach, scale_coding = reader.u8(), reader.u8(), reader.u8()
    require(prediction in (0, 1), "unknown prediction")
    require(reach <= 127, "a reach above 127")
    require(prediction == 1 or scale_coding == 0, "a scale coding without scales")
    require(reader.u8() == 0, "the byte at 3 is not 0")
    far_count = reader.u32()
    require(far_count <= shape.weight_count // 2, "too many far differences")

    predicted = codes.astype(np.int64)
    if prediction == 1:
        require(shape.rows >= 8 and shape.scale_count * 8 <= shape.weight_count,
                "a chunk too small for column factors")
        own_scales = read_scales(shape, scale_coding, reader)
        predicted = predict(shape, codes, scales, own_scales, read_factors(shape, reader))
        scales = own_scales
    differences = np.zeros(shape.weight_count, np.int64)
    if reach > 0:
        base, per_byte = 2 * reach + 1, 1
        while base ** (per_byte + 1) <= 256:
            per_byte += 1
        packed = plane(reader, -(-shape.weight_count // per_byte)).astype(np.int64)
        digits = packed[:, None] // base ** np.arange(per_byte)[None, :] % base
        differences = digits.reshape(-1)[: shape.weight_count] - reach
    if far_count > 0:
        positions = read_positions(reader, far_count, shape.weight_count)
        differences[positions] += plane(reader, far_count).view(np.int8)
    reader.end()
    return (predicted + differences).astype(np.uint8).view(np.int8), scales


def read_factors(shape, reader):
    bits = from_planes([plane(reader, shape.columns) for _ in range(2)]).astype(np.uint32)
    factors = (bits << np.uint32(16)).view(np.float32)
    require(np.all(np.abs(factors) <= 65536), "a factor out of range")
    return factors


def predict(shape, codes, scales, own_scales, factors):
    """Prediction 1, for all weights."""
    usable = np.isfinite(scales) & (scales > 0) & np.isfinite(own_scales) & (own_scales > 0)
    divisors = np.where(usable, own_scales, np.float32(1))
    with np.errstate(over="ignore"):
        ratios = np.where(usable, scales, np.float32(0)) / divisors
    ratios = np.where(ratios <= np.float32(2**20), ratios, np.float32(0))
    columns = np.arange(shape.weight_count) % shape.columns
    product = codes.astype(np.float32) * factors[columns] * ratios[shape.scale_index()]
    return np.rint(np.clip(product, -127, 127)).astype(np.int64)


def read_plain_fallback(shape, stored):
    """"Plain fallback": plain blobs of at most 8 MiB each."""
    float_format = FLOAT_FORMATS[shape.float_format]
    left = shape.weight_count * float_format.size
    reader = Reader(stored)
    parts = []
    while left > 0:
        size = min(left, 8 << 20)
        parts.append(read_plain(reader.take(reader.u32()), size))
        left -= size
    reader.end()
    return b"".join(parts)


# "Plain blob": layout to element bytes and whether the sign was rotated down.
PLAIN_LAYOUTS = {
    1: (1, False), 2: (2, False), 3: (4, False), 4: (8, False),
    5: (2, True), 6: (2, True), 7: (4, True),
}  # fmt: skip


def read_plain(blob, size):
    """"Plain blob": the `size` decoded bytes."""
    reader = Reader(blob)
    require(reader.u8() == 1, "unknown version")
    layout = reader.u8()
    require(layout in PLAIN_LAYOUTS, "unknown layout")
    element_size, rotated = PLAIN_LAYOUTS[layout]
    require(reader.u32() == size, "another decoded size")
    require(size % element_size == 0, "no whole number of elements")
    plane_size = size // element_size
    headers = [(reader.u8(), reader.u32()) for _ in range(element_size)]
    planes = []
    for coding, stored_size in headers:
        stored = reader.take(stored_size)
        if coding == 0:
            require(stored_size == plane_size, "a raw plane of the wrong size")
            planes.append(np.frombuffer(stored, np.uint8))
        elif coding == 2:
            planes.append(bit_array(stored, 1, plane_size).astype(np.uint8))
        else:
            require(coding == 1, "unknown coding")
            require(stored_size < plane_size, "a zstd plane that is not smaller")
            planes.append(np.frombuffer(zstd_frame(stored, plane_size), np.uint8))
    reader.end()
    elements = from_planes(planes)
    if rotated:
        elements = rotate_right(elements, 8 * element_size)
    return elements.astype(f"<u{element_size}").tobytes()
