// Codes and scales as other tools make them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "base/bytes.h"
#include "codec/chunk.h"
#include "codec/chunk_runs.h"
#include "tests/codec/sample_weights.h"

namespace qstore::codec {

struct GivenPair {
  ChunkShape shape;
  ByteVector weights;
  std::vector<int8_t> codes;
  std::vector<float> scales;
};

enum class GivenKind {
  kNearest,      // round to nearest, scale = absmax / 127
  kReciprocal,   // times a reciprocal in FP16, as bitsandbytes
  kErrorsMoved,  // a quarter of the codes one off, scale = absmax / 127.5 down
                 // to -128, as llm-compressor's GPTQ
  kSmoothed,     // columns times factors before
  kUnrelated,    // any codes
};
inline constexpr GivenKind kAllGivenKinds[] = {
    GivenKind::kNearest, GivenKind::kReciprocal, GivenKind::kErrorsMoved,
    GivenKind::kSmoothed, GivenKind::kUnrelated};

inline float HalfOf(float value) {
  const uint32_t bits = BitsOf(FloatFormat::kF16, value);
  return ToFloat<FloatFormat::kF16>(bits);
}

// `weights` of `shape` with what a tool of this kind makes of them.
inline GivenPair MakeGivenPair(GivenKind kind, const ChunkShape& shape,
                               const ByteVector& weights, uint64_t seed) {
  GivenPair pair = {.shape = shape,
                    .weights = weights,
                    .codes = std::vector<int8_t>(shape.weight_count()),
                    .scales = std::vector<float>(shape.scale_count())};
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> factors(shape.columns, 1.0f);
  if (kind == GivenKind::kSmoothed) {
    for (float& factor : factors) {
      factor = 12 * std::exp(0.3f * normal(random));
    }
  }
  ForEachRun(shape, [&](size_t scale, uint64_t first, uint64_t count) {
    const auto value = [&](uint64_t i) {
      const float weight = WeightValue(shape.format, weights, first + i) *
                           factors[(first + i) % shape.columns];
      return kind == GivenKind::kReciprocal ? HalfOf(weight) : weight;
    };
    float absmax = 0;
    for (uint64_t i = 0; i < count; ++i) {
      const float magnitude = std::abs(value(i));
      absmax = std::isfinite(magnitude) ? std::max(absmax, magnitude) : absmax;
    }
    const bool moved = kind == GivenKind::kErrorsMoved;
    pair.scales[scale] = absmax == 0 ? 1.0f : absmax / (moved ? 127.5f : 127);
    const float reciprocal = 127.0f / absmax;
    for (uint64_t i = 0; i < count; ++i) {
      float code = kind == GivenKind::kReciprocal
                       ? value(i) * reciprocal
                       : value(i) / pair.scales[scale];
      code += moved ? 0.3f * normal(random) : 0.0f;
      code = std::clamp(std::rint(code), moved ? -128.0f : -127.0f, 127.0f);
      pair.codes[first + i] = kind == GivenKind::kUnrelated
                                  ? static_cast<int8_t>(random())
                              : std::isnan(code) ? int8_t{0}
                                                 : static_cast<int8_t>(code);
    }
    return absl::OkStatus();
  }).IgnoreError();
  return pair;
}

}  // namespace qstore::codec
