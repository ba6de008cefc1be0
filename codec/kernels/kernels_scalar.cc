// The reference kernels: plain C++, one weight at a time.
#include <algorithm>

#include "codec/float_bits.h"
#include "codec/kernels/kernels.h"
#include "codec/residual/residual_format.h"

namespace qstore::codec {
namespace {

float FiniteAbsmax(FloatFormat format, const uint8_t* weights, size_t count) {
  return VisitFormat(format, [&](auto tag) {
    constexpr FloatFormat kFormat = decltype(tag)::value;
    uint32_t largest = 0;
    for (size_t i = 0; i < count; ++i) {
      const uint32_t ordinal =
          LoadWeight<kFormat>(weights, i) & ~SignMask(kFormat);
      if (ordinal < InfinityOrdinal(kFormat)) {
        largest = std::max(largest, ordinal);
      }
    }
    return ToFloat<kFormat>(largest);
  });
}

void RoundToCodes(FloatFormat format, const uint8_t* weights, size_t count,
                  float scale, int8_t* codes) {
  VisitFormat(format, [&](auto tag) {
    constexpr FloatFormat kFormat = decltype(tag)::value;
    for (size_t i = 0; i < count; ++i) {
      const float quotient =
          ToFloat<kFormat>(LoadWeight<kFormat>(weights, i)) / scale;
      codes[i] = quotient != quotient
                     ? int8_t{0}
                     : static_cast<int8_t>(RoundHalfEven(
                           std::clamp(quotient, -127.0f, 127.0f)));
    }
  });
}

template <FloatFormat kFormat>
void EncodeRanks(const IntervalTable& table, const uint8_t* weights,
                 const int8_t* codes, size_t count, EncodeCursor* cursor) {
  constexpr uint32_t kSign = SignMask(kFormat);
  constexpr uint32_t kExponent = InfinityOrdinal(kFormat);
  for (size_t i = 0; i < count; ++i) {
    const uint32_t bits = LoadWeight<kFormat>(weights, i);
    const int code = codes[i];
    const auto magnitude = static_cast<uint32_t>(code < 0 ? -code : code) & 127;
    if (magnitude == 0) {
      StoreWeight<kFormat>(
          (bits & ~kExponent) | ((bits - table.zero_exponent) & kExponent),
          cursor->next_code_zero, 0);
      cursor->next_code_zero += FloatBytes(kFormat);
      continue;
    }
    const uint32_t ordinal = bits & ~kSign;
    uint32_t rank = (ordinal >> table.grid) - table.lowest[magnitude];
    const bool regular = (code < 0) == ((bits & kSign) != 0) &&
                         (ordinal & ((1u << table.grid) - 1)) == 0 &&
                         rank < table.Count(magnitude);
    if (!regular) {
      *cursor->next_exception++ = {
          cursor->block_position + static_cast<uint32_t>(i), bits};
      rank = 0;
    }
    const uint32_t threshold = table.threshold[magnitude];
    uint32_t value = rank;
    if (rank >= threshold) {
      value = (rank + threshold) >> 1;
      cursor->extra.Put((rank + threshold) & 1, 1);
      ++cursor->extra_bit_count;
    }
    const uint32_t width = table.width[magnitude];
    uint8_t* staged = cursor->ranks[width]++;
    for (uint32_t plane = 0; plane < PlaneCount(width); ++plane) {
      staged[plane * kStagePlaneBytes] =
          static_cast<uint8_t>(value >> 8 * plane);
    }
  }
}

template <FloatFormat kFormat>
void DecodeRanks(const IntervalTable& table, const int8_t* codes, size_t count,
                 DecodeCursor* cursor, uint8_t* weights) {
  constexpr uint32_t kExponent = InfinityOrdinal(kFormat);
  for (size_t i = 0; i < count; ++i) {
    const int code = codes[i];
    const auto magnitude = static_cast<uint32_t>(code < 0 ? -code : code) & 127;
    if (magnitude == 0) {
      const uint32_t relative = LoadWeight<kFormat>(cursor->next_code_zero, 0);
      cursor->next_code_zero += FloatBytes(kFormat);
      StoreWeight<kFormat>((relative & ~kExponent) |
                               ((relative + table.zero_exponent) & kExponent),
                           weights, i);
      continue;
    }
    const uint32_t width = table.width[magnitude];
    const uint8_t* staged = cursor->ranks[width]++;
    uint32_t value = 0;
    for (uint32_t plane = 0; plane < PlaneCount(width); ++plane) {
      value |= uint32_t{staged[plane * kStagePlaneBytes]} << 8 * plane;
    }
    const uint32_t threshold = table.threshold[magnitude];
    uint32_t rank = value;
    if (value >= threshold) {
      rank = 2 * value - threshold +
             (static_cast<uint32_t>(cursor->extra.Peek()) & 1);
      ++cursor->extra.position_bits;
    }
    const uint32_t ordinal = (table.lowest[magnitude] + rank) << table.grid;
    StoreWeight<kFormat>(ordinal | (code < 0 ? SignMask(kFormat) : 0), weights,
                         i);
  }
}

void EncodeRanksOf(FloatFormat format, const IntervalTable& table,
                   const uint8_t* weights, const int8_t* codes, size_t count,
                   EncodeCursor* cursor) {
  VisitFormat(format, [&](auto tag) {
    EncodeRanks<decltype(tag)::value>(table, weights, codes, count, cursor);
  });
}

void DecodeRanksOf(FloatFormat format, const IntervalTable& table,
                   const int8_t* codes, size_t count, DecodeCursor* cursor,
                   uint8_t* weights) {
  VisitFormat(format, [&](auto tag) {
    DecodeRanks<decltype(tag)::value>(table, codes, count, cursor, weights);
  });
}

// Eight values at a time are `bits` whole bytes.
void PackValues(const uint8_t* values, size_t groups, uint32_t bits,
                uint8_t* packed) {
  for (size_t i = 0; i < groups * kPackedGroup; i += 8) {
    uint64_t word = 0;
    for (uint32_t j = 0; j < 8; ++j) {
      word |= uint64_t{values[i + j]} << bits * j;
    }
    StoreLittleEndian(word, packed);
    packed += bits;
  }
}

void UnpackValues(const uint8_t* packed, size_t groups, uint32_t bits,
                  uint8_t* values) {
  const uint64_t mask = (1u << bits) - 1;
  for (size_t i = 0; i < groups * kPackedGroup; i += 8) {
    const auto word = LoadLittleEndian<uint64_t>(packed);
    for (uint32_t j = 0; j < 8; ++j) {
      values[i + j] = static_cast<uint8_t>(word >> bits * j & mask);
    }
    packed += bits;
  }
}

}  // namespace

const Kernels& ScalarKernels() {
  static constexpr Kernels kKernels = {
      "scalar",      FiniteAbsmax,  RoundToCodes, BuildIntervalTable,
      EncodeRanksOf, DecodeRanksOf, PackValues,   UnpackValues};
  return kKernels;
}

}  // namespace qstore::codec
