#include "codec/pairs/nearest_codes.h"

#include <cmath>

#include "codec/interval.h"
#include "gtest/gtest.h"
#include "tests/codec/kernels/each_kernels.h"
#include "tests/codec/sample_weights.h"

namespace qstore::codec {
namespace {

// Every weight of the format whose bits fit 16, or as many of FP32.
ByteVector AllWeights(FloatFormat format) {
  ByteVector weights(65536 * FloatBytes(format));
  for (uint32_t i = 0; i < 65536; ++i) {
    SetWeight(format, format == FloatFormat::kF32 ? i << 16 | (i & 0xFF) : i, i,
              &weights);
  }
  return weights;
}

// Whether the interval of `code` has the weight, by the definition in
// docs/format.md.
bool IsInInterval(FloatFormat format, float scale, int code, uint32_t bits) {
  const auto magnitude = static_cast<uint32_t>(std::abs(code));
  const uint32_t ordinal = bits & ~SignMask(format);
  const bool negative = (bits & SignMask(format)) != 0;
  return negative == (code < 0) &&
         ordinal >= LowestOrdinal(format, scale, magnitude) &&
         ordinal < LowestOrdinal(format, scale, magnitude + 1);
}

TEST(NearestCodesTest, EveryWeightLiesInTheIntervalOfItsCodeOrHasNone) {
  for (const FloatFormat format : kAllFormats) {
    const ByteVector weights = AllWeights(format);
    const ChunkShape shape = {.format = format, .rows = 1, .columns = 65536};
    std::vector<int8_t> nearest(65536);
    for (const float scale : {6e-8f, 0.0013f, 1.0f, 3.0f, 1.2e-38f}) {
      ForEachKernels([&] {
        FindNearestCodes(BestKernels(), shape, weights, std::span(&scale, 1),
                         nearest);
        for (size_t i = 0; i < nearest.size(); ++i) {
          const float value = WeightValue(format, weights, i);
          const float quotient = std::abs(value / scale);
          if (std::isnan(value) || quotient <= 0.5f) {
            ASSERT_EQ(nearest[i], 0) << value;
          } else if (quotient >= 127.5f) {
            ASSERT_EQ(nearest[i], -128) << value;
          } else {
            const uint32_t bits = VisitFormat(format, [&](auto tag) {
              return LoadWeight<decltype(tag)::value>(weights.data(), i);
            });
            ASSERT_TRUE(IsInInterval(format, scale, nearest[i], bits))
                << value << " " << int{nearest[i]};
          }
        }
      });
    }
  }
}

TEST(NearestCodesTest, ThereAreNoneUnderScalesThatAreNotUsable) {
  const std::vector<float> scales = AbsurdScales();
  const ChunkShape shape = {.format = FloatFormat::kBF16,
                            .rows = static_cast<uint32_t>(scales.size()),
                            .columns = 7};
  const ByteVector weights =
      GaussianWeights(shape.format, shape.weight_count(), 1);
  std::vector<int8_t> nearest(shape.weight_count(), 5);
  FindNearestCodes(BestKernels(), shape, weights, scales, nearest);
  EXPECT_EQ(nearest, std::vector<int8_t>(shape.weight_count(), 0));
}

}  // namespace
}  // namespace qstore::codec
