// The bits of FP32, FP16 and BF16 values, and exact conversions.
//
// An ordinal is a value's bits without the sign. Among non-negative values it
// increases with the value, and neighbouring values have neighbouring ordinals.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <type_traits>

#include "base/bytes.h"
#include "codec/chunk.h"

namespace qstore::codec {

constexpr uint32_t MantissaBits(FloatFormat format) {
  switch (format) {
    case FloatFormat::kF32:
      return 23;
    case FloatFormat::kF16:
      return 10;
    case FloatFormat::kBF16:
      return 7;
  }
  return 0;
}

constexpr uint32_t SignMask(FloatFormat format) {
  return format == FloatFormat::kF32 ? 0x80000000u : 0x8000u;
}

// The ordinal of infinity, one above the largest finite ordinal; also the mask
// of the exponent field.
constexpr uint32_t InfinityOrdinal(FloatFormat format) {
  switch (format) {
    case FloatFormat::kF32:
      return 0x7F800000;
    case FloatFormat::kF16:
      return 0x7C00;
    case FloatFormat::kBF16:
      return 0x7F80;
  }
  return 0;
}

// Ties to even, for |x| <= 2^22, under the default rounding mode. Adding 1.5 *
// 2^23 leaves no fraction bits; the compiler must not reassociate (no
// fast-math).
inline float RoundHalfEven(float x) {
  constexpr float kShift = 12582912.0f;
  return (x + kShift) - kShift;
}

// The value of `bits`, exactly; NaNs become some NaN.
template <FloatFormat kFormat>
inline float ToFloat(uint32_t bits) {
  if constexpr (kFormat == FloatFormat::kF32) {
    return std::bit_cast<float>(bits);
  } else if constexpr (kFormat == FloatFormat::kBF16) {
    return std::bit_cast<float>(bits << 16);
  } else {
    const uint32_t sign = (bits & 0x8000) << 16;
    const uint32_t ordinal = bits & 0x7FFF;
    if (ordinal >= 0x7C00) {
      return std::bit_cast<float>(sign | 0x7F800000 | (ordinal & 0x3FF) << 13);
    }
    if (ordinal < 0x400) {  // subnormal: a multiple of 2^-24
      const float magnitude = static_cast<float>(ordinal) * 0x1p-24f;
      return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
    }
    return std::bit_cast<float>(sign | ((ordinal << 13) + 0x38000000));
  }
}

// The ordinal of the value nearest to `x` >= 0 (ties to even, infinity above
// the largest finite value's rounding range). `x` is not NaN.
template <FloatFormat kFormat>
inline uint32_t NearestOrdinal(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  if constexpr (kFormat == FloatFormat::kF32) {
    return bits;
  } else if constexpr (kFormat == FloatFormat::kBF16) {
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
  } else {
    if (x >= 65520.0f) {
      return 0x7C00;
    }
    if (x < 0x1p-14f) {
      return static_cast<uint32_t>(RoundHalfEven(x * 0x1p24f));
    }
    return (bits + 0xFFF + (bits >> 13 & 1) - 0x38000000) >> 13;
  }
}

template <FloatFormat kFormat>
using WeightBits =
    std::conditional_t<kFormat == FloatFormat::kF32, uint32_t, uint16_t>;

template <FloatFormat kFormat>
inline uint32_t LoadWeight(const uint8_t* weights, size_t index) {
  using Bits = WeightBits<kFormat>;
  return LoadLittleEndian<Bits>(weights + index * sizeof(Bits));
}

template <FloatFormat kFormat>
inline void StoreWeight(uint32_t bits, uint8_t* weights, size_t index) {
  using Bits = WeightBits<kFormat>;
  StoreLittleEndian<Bits>(static_cast<Bits>(bits),
                          weights + index * sizeof(Bits));
}

template <FloatFormat kFormat>
struct FormatTag {
  static constexpr FloatFormat value = kFormat;
};

// Calls `function(FormatTag<format>())`; `format` must be one of the three.
template <typename Function>
inline decltype(auto) VisitFormat(FloatFormat format, Function&& function) {
  switch (format) {
    case FloatFormat::kF32:
      return function(FormatTag<FloatFormat::kF32>());
    case FloatFormat::kF16:
      return function(FormatTag<FloatFormat::kF16>());
    case FloatFormat::kBF16:
      break;
  }
  return function(FormatTag<FloatFormat::kBF16>());
}

}  // namespace qstore::codec
