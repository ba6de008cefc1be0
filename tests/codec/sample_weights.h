// Weights, codes and scales to test the codec with.
#pragma once

#include <cfloat>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "base/bytes.h"
#include "codec/chunk.h"
#include "codec/float_bits.h"

namespace qstore::codec {

inline constexpr FloatFormat kAllFormats[] = {
    FloatFormat::kF32, FloatFormat::kF16, FloatFormat::kBF16};

// `value` in the format, nearest.
inline uint32_t BitsOf(FloatFormat format, float value) {
  return VisitFormat(format, [&](auto tag) {
    constexpr FloatFormat kFormat = decltype(tag)::value;
    const auto bits = std::bit_cast<uint32_t>(value);
    return NearestOrdinal<kFormat>(std::bit_cast<float>(bits & 0x7FFFFFFF)) |
           (bits >> 31 != 0 ? SignMask(kFormat) : 0);
  });
}

inline void SetWeight(FloatFormat format, uint32_t bits, size_t index,
                      ByteVector* weights) {
  VisitFormat(format, [&](auto tag) {
    StoreWeight<decltype(tag)::value>(bits, weights->data(), index);
  });
}

inline float WeightValue(FloatFormat format, ByteView weights, size_t index) {
  return VisitFormat(format, [&](auto tag) {
    constexpr FloatFormat kFormat = decltype(tag)::value;
    return ToFloat<kFormat>(LoadWeight<kFormat>(weights.data(), index));
  });
}

// Like a linear layer's.
inline ByteVector GaussianWeights(FloatFormat format, size_t count,
                                  uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0, 0.04f);
  ByteVector weights(count * FloatBytes(format));
  for (size_t i = 0; i < count; ++i) {
    SetWeight(format, BitsOf(format, normal(random)), i, &weights);
  }
  return weights;
}

inline ByteVector RandomBytes(size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  ByteVector bytes(count);
  for (uint8_t& byte : bytes) {
    byte = static_cast<uint8_t>(random());
  }
  return bytes;
}

// Scales at and around every edge: subnormal, tiny, ordinary, powers of two,
// huge. All usable.
inline std::vector<float> EdgeScales() {
  std::vector<float> scales = {FLT_TRUE_MIN, 2 * FLT_TRUE_MIN,
                               3e-44f,       FLT_MIN / 2,
                               FLT_MIN,      1.5e-38f,
                               6e-8f,        1e-5f,
                               0.5f,         1.0f,
                               1.0f / 127,   0.0078125f,
                               3.0f,         511.4f,
                               515.9f,       65504.0f,
                               131008.0f,    2.7e36f,
                               FLT_MAX / 2,  FLT_MAX,
                               0.001234567f, 0.0009765625f,
                               0.00390625f,  1e30f,
                               7.3e-41f};
  return scales;
}

// Scales that are not usable, which users may still bring.
inline std::vector<float> AbsurdScales() {
  return {0.0f,
          -0.0f,
          -1.0f,
          -FLT_TRUE_MIN,
          std::numeric_limits<float>::infinity(),
          -std::numeric_limits<float>::infinity(),
          std::numeric_limits<float>::quiet_NaN()};
}

// Bits that are special in the format: zeros, subnormals, the largest finite
// values, infinities and NaNs with payloads, both signs.
inline std::vector<uint32_t> SpecialBits(FloatFormat format) {
  const uint32_t infinity = InfinityOrdinal(format);
  std::vector<uint32_t> bits;
  for (const uint32_t ordinal :
       {0u, 1u, 2u, (1u << MantissaBits(format)) - 1,
        1u << MantissaBits(format), infinity - 1, infinity, infinity + 1,
        SignMask(format) - 1}) {
    bits.push_back(ordinal);
    bits.push_back(ordinal | SignMask(format));
  }
  return bits;
}

}  // namespace qstore::codec
