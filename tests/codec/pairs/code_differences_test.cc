#include "codec/pairs/code_differences.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/codec/pairs/given_pairs.h"

namespace qstore::codec {
namespace {

using testing::HasSubstr;

struct Stored {
  GivenPair pair;
  std::vector<int8_t> nearest;
  std::vector<float> nearest_scales;
  ByteVector blob;
};

Stored Store(GivenKind kind) {
  const ChunkShape shape = {
      .format = FloatFormat::kBF16, .rows = 50, .columns = 61};
  Stored stored = {
      .pair = MakeGivenPair(
          kind, shape, GaussianWeights(shape.format, shape.weight_count(), 1),
          2),
      .nearest = {},
      .nearest_scales = {},
      .blob = {}};
  CodeDifferenceEncoder encoder;
  ZstdEncoder zstd;
  encoder.Start(shape, stored.pair.weights, stored.pair.codes,
                stored.pair.scales);
  EXPECT_FALSE(encoder.none());
  stored.nearest.assign(encoder.nearest().begin(), encoder.nearest().end());
  stored.nearest_scales.assign(encoder.nearest_scales().begin(),
                               encoder.nearest_scales().end());
  EXPECT_TRUE(encoder.AppendTo(&zstd, &stored.blob).ok());
  return stored;
}

absl::Status Apply(const Stored& stored, ByteView blob,
                   std::vector<int8_t>* codes, std::vector<float>* scales) {
  static CodeDifferenceDecoder decoder;
  static ZstdDecoder zstd;
  *codes = stored.pair.codes;
  *scales = stored.pair.scales;
  return decoder.Apply(stored.pair.shape, blob, &zstd, *codes, *scales);
}

std::string Error(const Stored& stored, ByteView blob) {
  std::vector<int8_t> codes;
  std::vector<float> scales;
  const absl::Status status = Apply(stored, blob, &codes, &scales);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  return std::string(status.message());
}

class CodeDifferencesTest : public testing::TestWithParam<GivenKind> {};

TEST_P(CodeDifferencesTest, TurnsGivenIntoNearest) {
  const Stored stored = Store(GetParam());
  std::vector<int8_t> codes;
  std::vector<float> scales;
  ASSERT_TRUE(Apply(stored, stored.blob, &codes, &scales).ok());
  EXPECT_EQ(codes, stored.nearest);
  EXPECT_EQ(scales, stored.nearest_scales);
}

TEST_P(CodeDifferencesTest, EveryLengthButItsOwnIsAnError) {
  const Stored stored = Store(GetParam());
  for (size_t size = 0; size < stored.blob.size(); ++size) {
    // A heap copy of exact size, for the sanitizer.
    const ByteVector cut(stored.blob.begin(),
                         stored.blob.begin() + static_cast<long>(size));
    EXPECT_FALSE(Error(stored, cut).empty()) << size;
  }
  ByteVector longer = stored.blob;
  longer.push_back(0);
  EXPECT_THAT(Error(stored, longer), HasSubstr("1 bytes too many"));
}

TEST_P(CodeDifferencesTest, RefusesFieldsThatMeanNothing) {
  const Stored stored = Store(GetParam());
  const auto with = [&](size_t index, uint8_t value) {
    ByteVector blob = stored.blob;
    blob[index] = value;
    return Error(stored, blob);
  };
  EXPECT_THAT(with(0, 2), HasSubstr("prediction 2 is unknown"));
  EXPECT_THAT(with(1, 128), HasSubstr("reach 128 is above 127"));
  EXPECT_THAT(with(2, 2), HasSubstr("reserved"));
  EXPECT_THAT(with(3, 1), HasSubstr("reserved"));
  EXPECT_THAT(with(6, 1), HasSubstr("far differences in 3050 weights"));
}

INSTANTIATE_TEST_SUITE_P(Kinds, CodeDifferencesTest,
                         testing::Values(GivenKind::kErrorsMoved,
                                         GivenKind::kSmoothed,
                                         GivenKind::kUnrelated));

TEST(CodeDifferencesTest, SmallChunksHaveNoColumnFactors) {
  Stored stored = Store(GivenKind::kSmoothed);
  ASSERT_EQ(stored.blob[0], 1);
  // As many weights and scales, in fewer rows; then as many scales as weights.
  stored.pair.shape.rows = 5;
  stored.pair.shape.columns = 610;
  EXPECT_THAT(Error(stored, stored.blob), HasSubstr("too small"));
  stored.pair.shape.rows = 50;
  stored.pair.shape.columns = 61;
  stored.pair.shape.strategy = ScaleStrategy::kGroup;
  stored.pair.shape.group_size = 7;
  EXPECT_THAT(Error(stored, stored.blob), HasSubstr("too small"));
}

TEST(CodeDifferencesTest, AreWorthwhileUnlessCodesSayNothing) {
  const ChunkShape shape = {
      .format = FloatFormat::kBF16, .rows = 50, .columns = 61};
  for (const GivenKind kind : kAllGivenKinds) {
    const GivenPair pair = MakeGivenPair(
        kind, shape, GaussianWeights(shape.format, shape.weight_count(), 1), 2);
    CodeDifferenceEncoder encoder;
    encoder.Start(shape, pair.weights, pair.codes, pair.scales);
    EXPECT_EQ(encoder.is_worthwhile(), kind != GivenKind::kUnrelated)
        << static_cast<int>(kind);
  }
}

TEST(CodeDifferencesTest, NearestCodesNeedNone) {
  const ChunkShape shape = {
      .format = FloatFormat::kBF16, .rows = 5, .columns = 9};
  const GivenPair pair =
      MakeGivenPair(GivenKind::kNearest, shape,
                    GaussianWeights(shape.format, shape.weight_count(), 1), 2);
  CodeDifferenceEncoder encoder;
  encoder.Start(shape, pair.weights, pair.codes, pair.scales);
  EXPECT_TRUE(encoder.none());
}

}  // namespace
}  // namespace qstore::codec
