#include "codec/pairs/column_factors.h"

#include <cmath>

#include "gtest/gtest.h"
#include "tests/codec/sample_weights.h"

namespace qstore::codec {
namespace {

// Codes, and nearest codes that are exactly what factors make of them.
struct SmoothedSample {
  ChunkShape shape;
  std::vector<int8_t> codes;
  std::vector<float> scales;
  std::vector<int8_t> nearest;
  std::vector<float> nearest_scales;
};

SmoothedSample MakeSample(ScaleStrategy strategy, uint32_t group_size) {
  SmoothedSample sample;
  sample.shape = {.format = FloatFormat::kBF16,
                  .rows = 300,
                  .columns = 21,
                  .strategy = strategy,
                  .group_size = group_size};
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal(0, 6);
  for (size_t i = 0; i < sample.shape.scale_count(); ++i) {
    sample.scales.push_back(0.01f * static_cast<float>(1 + i % 5));
    sample.nearest_scales.push_back(0.02f);
  }
  const uint32_t group = strategy == ScaleStrategy::kGroup ? group_size : 21;
  const uint32_t groups = (21 + group - 1) / group;
  for (uint32_t row = 0; row < sample.shape.rows; ++row) {
    for (uint32_t column = 0; column < 21; ++column) {
      const size_t scale = strategy == ScaleStrategy::kTensor
                               ? 0
                               : size_t{row} * groups + column / group;
      const auto code = static_cast<int8_t>(
          std::clamp(std::rint(normal(random)), -127.0f, 127.0f));
      const float factor = 0.25f * static_cast<float>(1 + column % 7);
      sample.codes.push_back(code);
      sample.nearest.push_back(static_cast<int8_t>(
          std::clamp(std::rint(code * factor * sample.scales[scale] / 0.02f),
                     -127.0f, 127.0f)));
    }
  }
  return sample;
}

// How many nearest codes are predicted right.
double ShareRight(const SmoothedSample& sample, const ColumnFactors& factors) {
  std::vector<int8_t> predicted(sample.codes.size());
  factors.Predict(sample.shape, sample.codes, sample.scales,
                  sample.nearest_scales, predicted);
  double right = 0;
  for (size_t i = 0; i < predicted.size(); ++i) {
    right += predicted[i] == sample.nearest[i] ? 1 : 0;
  }
  return right / static_cast<double>(predicted.size());
}

TEST(ColumnFactorsTest, FindsThemUnderEveryStrategy) {
  for (const auto& [strategy, group_size] :
       {std::pair(ScaleStrategy::kTensor, 0u),
        std::pair(ScaleStrategy::kChannel, 0u),
        std::pair(ScaleStrategy::kGroup, 8u)}) {
    const SmoothedSample sample = MakeSample(strategy, group_size);
    ColumnFactors factors;
    factors.Estimate(sample.shape, sample.codes, sample.scales, sample.nearest,
                     sample.nearest_scales);
    EXPECT_GT(ShareRight(sample, factors), 0.9) << static_cast<int>(strategy);
  }
}

TEST(ColumnFactorsTest, IgnoresScalesAndCodesThatSayNothing) {
  SmoothedSample sample = MakeSample(ScaleStrategy::kChannel, 0);
  const std::vector<float> absurd = AbsurdScales();
  for (size_t i = 0; i < 40; ++i) {
    sample.scales[i] = absurd[i % absurd.size()];
  }
  for (size_t i = 60 * 21; i < 80 * 21; ++i) {
    sample.nearest[i] = -128;
  }
  ColumnFactors factors;
  factors.Estimate(sample.shape, sample.codes, sample.scales, sample.nearest,
                   sample.nearest_scales);
  EXPECT_GT(ShareRight(sample, factors), 0.9 * 240 / 300);
}

TEST(ColumnFactorsTest, StoredOnesPredictTheSame) {
  const SmoothedSample sample = MakeSample(ScaleStrategy::kChannel, 0);
  ColumnFactors factors;
  factors.Estimate(sample.shape, sample.codes, sample.scales, sample.nearest,
                   sample.nearest_scales);
  ZstdEncoder encoder;
  ZstdDecoder decoder;
  ByteVector scratch;
  ByteVector stored;
  ASSERT_TRUE(factors.AppendTo(&encoder, &scratch, &stored).ok());
  ColumnFactors read;
  ByteView rest = stored;
  ASSERT_TRUE(read.TakeFrom(&rest, 21, &decoder, &scratch).ok());
  EXPECT_TRUE(rest.empty());
  EXPECT_EQ(ShareRight(sample, read), ShareRight(sample, factors));
}

// Whether factors with these upper bytes are taken.
absl::Status Take(uint8_t low, uint8_t high) {
  const ByteVector stored = {1, 0, 0, 0, low, 1, 0, 0, 0, high};
  ZstdDecoder decoder;
  ByteVector scratch;
  ByteView rest = stored;
  return ColumnFactors().TakeFrom(&rest, 1, &decoder, &scratch);
}

TEST(ColumnFactorsTest, RefusesWhatCouldOverflow) {
  EXPECT_TRUE(Take(0x80, 0x3F).ok());   // 1
  EXPECT_TRUE(Take(0x80, 0xC7).ok());   // -65536
  EXPECT_FALSE(Take(0x81, 0x47).ok());  // the next above 65536
  EXPECT_FALSE(Take(0x80, 0x7F).ok());  // infinity
  EXPECT_FALSE(Take(0xC0, 0x7F).ok());  // NaN
  EXPECT_FALSE(Take(0xC0, 0xFF).ok());
}

}  // namespace
}  // namespace qstore::codec
