// Pairs that users bring: nothing is ever lost, and the size is bounded.
#include "tests/codec/pairs/given_pairs.h"

#include <cmath>

#include "codec/chunk_codec.h"
#include "codec/pairs/code_differences.h"
#include "codec/residual/plain_residual.h"
#include "codec/residual/residual_format.h"
#include "gtest/gtest.h"
#include "tests/codec/chunk_round_trip.h"

namespace qstore::codec {
namespace {

CodePrediction PredictionOf(const EncodedChunk& chunk) {
  EXPECT_EQ(chunk.residual.back().subgroup, kCodeDifferencesSubgroup);
  return static_cast<CodePrediction>(chunk.residual.back().bytes.at(0));
}

EncodedChunk CheckPair(const GivenPair& pair) {
  return CheckRoundTrip(pair.shape, pair.weights, pair.codes, pair.scales);
}

class GivenPairsTest : public testing::TestWithParam<FloatFormat> {
 protected:
  // A layer, and its residual's bits a weight when the codec quantizes.
  GivenPair Layer(GivenKind kind) const {
    const ChunkShape shape = {
        .format = GetParam(), .rows = 192, .columns = 512};
    return MakeGivenPair(
        kind, shape, GaussianWeights(GetParam(), shape.weight_count(), 41), 42);
  }
  static double OwnBits(const GivenPair& pair) {
    return ResidualBits(pair.shape, CheckRoundTrip(pair.shape, pair.weights));
  }
};

TEST_P(GivenPairsTest, NearestCodesCostNothing) {
  const GivenPair pair = Layer(GivenKind::kNearest);
  const EncodedChunk chunk = CheckPair(pair);
  EXPECT_EQ(ModeOf(chunk), ResidualMode::kInterval);
  EXPECT_EQ(ResidualBits(pair.shape, chunk), OwnBits(pair));
}

TEST_P(GivenPairsTest, OtherRoundingCostsLittle) {
  const GivenPair pair = Layer(GivenKind::kReciprocal);
  const EncodedChunk chunk = CheckPair(pair);
  // 0.3 percent of the two copies. FP32 loses more bits on the way to FP16.
  EXPECT_LT(ResidualBits(pair.shape, chunk),
            OwnBits(pair) + 0.003 * 8 * (FloatBytes(GetParam()) + 1));
}

// H(d) of what kErrorsMoved does is 1.11 bits.
TEST_P(GivenPairsTest, MovedErrorsCostTheEntropyOfTheDifferences) {
  const GivenPair pair = Layer(GivenKind::kErrorsMoved);
  const EncodedChunk chunk = CheckPair(pair);
  ASSERT_EQ(ModeOf(chunk), ResidualMode::kDifferences);
  EXPECT_EQ(PredictionOf(chunk), CodePrediction::kCode);
  EXPECT_LT(ResidualBits(pair.shape, chunk), OwnBits(pair) + 1.25);
  // Weights that round to 128 are no exceptions.
  for (const EncodedBlob& blob : chunk.residual) {
    EXPECT_NE(blob.subgroup, kExceptionsSubgroup);
  }
}

TEST_P(GivenPairsTest, SmoothingIsFoundOut) {
  const GivenPair pair = Layer(GivenKind::kSmoothed);
  const EncodedChunk chunk = CheckPair(pair);
  ASSERT_EQ(ModeOf(chunk), ResidualMode::kDifferences);
  EXPECT_EQ(PredictionOf(chunk), CodePrediction::kColumnFactor);
  EXPECT_LT(ResidualBits(pair.shape, chunk), OwnBits(pair) + 1.6);
}

TEST_P(GivenPairsTest, UnrelatedCodesCostWhatPlainCosts) {
  const GivenPair pair = Layer(GivenKind::kUnrelated);
  PlainCodec codec;
  ByteVector plain;
  ASSERT_TRUE(
      EncodePlainResidual(GetParam(), pair.weights, &codec, &plain).ok());
  EXPECT_LE(ResidualBytes(CheckPair(pair)), plain.size() + kResidualHeadBytes);
}

TEST_P(GivenPairsTest, EveryStrategyShapeAndKindRoundTrips) {
  const std::pair<ScaleStrategy, uint32_t> strategies[] = {
      {ScaleStrategy::kTensor, 0},   {ScaleStrategy::kChannel, 0},
      {ScaleStrategy::kGroup, 32},   {ScaleStrategy::kGroup, 64},
      {ScaleStrategy::kGroup, 128},  {ScaleStrategy::kGroup, 7},
      {ScaleStrategy::kGroup, 5000},
  };
  const std::pair<uint32_t, uint32_t> shapes[] = {
      {1, 1}, {1, 97}, {97, 1}, {13, 127}, {31, 257}, {5, 1031}};
  uint64_t seed = 0;
  for (const GivenKind kind : kAllGivenKinds) {
    for (const auto& [strategy, group_size] : strategies) {
      for (const auto& [rows, columns] : shapes) {
        SCOPED_TRACE(testing::Message()
                     << static_cast<int>(kind) << " "
                     << static_cast<int>(strategy) << " " << group_size << " "
                     << rows << "x" << columns);
        const ChunkShape shape = {.format = GetParam(),
                                  .rows = rows,
                                  .columns = columns,
                                  .strategy = strategy,
                                  .group_size = group_size};
        ++seed;
        CheckPair(MakeGivenPair(
            kind, shape,
            GaussianWeights(GetParam(), shape.weight_count(), seed), seed));
      }
    }
  }
}

// Absurd scales, special weights and codes far off among good ones, so that
// every mode and prediction meets them.
TEST_P(GivenPairsTest, OddWeightsScalesAndCodesRoundTrip) {
  const ChunkShape shape = {.format = GetParam(), .rows = 67, .columns = 301};
  const std::vector<uint32_t> special = SpecialBits(GetParam());
  std::vector<float> odd_scales = AbsurdScales();
  for (const float scale : EdgeScales()) {
    odd_scales.push_back(scale);
  }
  for (const GivenKind kind : kAllGivenKinds) {
    for (const uint64_t one_in : {2u, 10u, 300u}) {
      SCOPED_TRACE(testing::Message()
                   << static_cast<int>(kind) << " one in " << one_in);
      std::mt19937_64 random(one_in);
      GivenPair pair = MakeGivenPair(
          kind, shape, GaussianWeights(GetParam(), shape.weight_count(), 43),
          44);
      for (size_t i = 0; i < shape.weight_count(); ++i) {
        if (random() % one_in == 0) {
          SetWeight(GetParam(), special[random() % special.size()], i,
                    &pair.weights);
        }
        if (random() % one_in == 0) {
          pair.codes[i] = static_cast<int8_t>(random());
        }
      }
      for (float& scale : pair.scales) {
        if (random() % one_in == 0) {
          scale = odd_scales[random() % odd_scales.size()];
        }
      }
      CheckPair(pair);
    }
  }
}

// All differences are 128, which no reach has: plain coding has to do.
TEST_P(GivenPairsTest, DifferencesThatAreAllFarAreNoDifferences) {
  const ChunkShape shape = {.format = GetParam(), .rows = 40, .columns = 50};
  ByteVector weights(shape.weight_bytes());
  for (size_t i = 0; i < shape.weight_count(); ++i) {
    SetWeight(GetParam(), BitsOf(GetParam(), -127.0f), i, &weights);
  }
  const std::vector<int8_t> codes(shape.weight_count(), 1);
  const std::vector<float> scales(shape.rows, 1.0f);
  EXPECT_EQ(ModeOf(CheckRoundTrip(shape, weights, codes, scales)),
            ResidualMode::kPlain);
}

INSTANTIATE_TEST_SUITE_P(Formats, GivenPairsTest,
                         testing::ValuesIn(kAllFormats),
                         [](const auto& format) {
                           return format.param == FloatFormat::kF32   ? "F32"
                                  : format.param == FloatFormat::kF16 ? "F16"
                                                                      : "BF16";
                         });

}  // namespace
}  // namespace qstore::codec
