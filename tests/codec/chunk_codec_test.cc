#include "codec/chunk_codec.h"

#include <zstd.h>

#include <cmath>
#include <cstring>

#include "codec/interval.h"
#include "codec/quantizer.h"
#include "codec/residual/residual_format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/codec/chunk_round_trip.h"
#include "tests/codec/sample_weights.h"

namespace qstore::codec {
namespace {

ChunkShape Shape(FloatFormat format, uint32_t rows, uint32_t columns,
                 ScaleStrategy strategy = ScaleStrategy::kChannel,
                 uint32_t group_size = 0) {
  return {.format = format,
          .rows = rows,
          .columns = columns,
          .strategy = strategy,
          .group_size = group_size};
}

class ChunkCodecTest : public testing::TestWithParam<FloatFormat> {};

TEST_P(ChunkCodecTest, RoundTripsOddShapes) {
  const std::pair<uint32_t, uint32_t> shapes[] = {
      {1, 1},   {1, 2},  {2, 1},    {1, 31},   {1, 32},   {3, 33},  {97, 1},
      {1, 997}, {7, 13}, {31, 127}, {5, 1024}, {3, 1025}, {2, 4099}};
  uint64_t seed = 0;
  for (const auto& [rows, columns] : shapes) {
    SCOPED_TRACE(std::to_string(rows) + "x" + std::to_string(columns));
    const ChunkShape shape = Shape(GetParam(), rows, columns);
    CheckRoundTrip(shape,
                   GaussianWeights(GetParam(), shape.weight_count(), ++seed));
  }
}

TEST_P(ChunkCodecTest, RoundTripsGroups) {
  for (const uint32_t group_size : {1u, 5u, 32u, 64u, 128u, 5000u}) {
    SCOPED_TRACE(group_size);
    const ChunkShape shape =
        Shape(GetParam(), 6, 331, ScaleStrategy::kGroup, group_size);
    CheckRoundTrip(shape, GaussianWeights(GetParam(), shape.weight_count(), 4));
  }
}

TEST_P(ChunkCodecTest, RoundTripsOneScaleForTheTensor) {
  const ChunkShape shape = Shape(GetParam(), 19, 257, ScaleStrategy::kTensor);
  const ByteVector weights =
      GaussianWeights(GetParam(), shape.weight_count(), 5);
  std::vector<int8_t> codes(shape.weight_count());
  const float scale = 0.0013f;
  ScalarKernels().round_to_codes(GetParam(), weights.data(), codes.size(),
                                 scale, codes.data());
  const EncodedChunk chunk =
      CheckRoundTrip(shape, weights, codes, std::span(&scale, 1));
  EXPECT_EQ(ModeOf(chunk), ResidualMode::kInterval);
}

TEST_P(ChunkCodecTest, RoundTripsSpecialValues) {
  const ChunkShape shape = Shape(GetParam(), 12, 100);
  const std::vector<uint32_t> special = SpecialBits(GetParam());
  std::mt19937_64 random(6);
  ByteVector weights = GaussianWeights(GetParam(), shape.weight_count(), 6);
  for (size_t i = 0; i < shape.weight_count(); ++i) {
    // The first rows have only special values, the others a few.
    if (i < 400 || i % 17 == 0) {
      SetWeight(GetParam(), special[random() % special.size()], i, &weights);
    }
  }
  CheckRoundTrip(shape, weights);
}

TEST_P(ChunkCodecTest, RoundTripsAnyBits) {
  const ChunkShape shape = Shape(GetParam(), 37, 211);
  CheckRoundTrip(shape, RandomBytes(shape.weight_bytes(), 7));
}

TEST_P(ChunkCodecTest, RoundTripsConstantRows) {
  for (const float value : {0.0f, -0.0f, 1.0f, -3.5f}) {
    const ChunkShape shape = Shape(GetParam(), 64, 1000);
    ByteVector weights(shape.weight_bytes());
    for (size_t i = 0; i < shape.weight_count(); ++i) {
      SetWeight(GetParam(), BitsOf(GetParam(), value), i, &weights);
    }
    const EncodedChunk chunk = CheckRoundTrip(shape, weights);
    EXPECT_LT(ResidualBits(shape, chunk), 0.1) << value;
  }
}

TEST_P(ChunkCodecTest, RoundTripsAbsurdScales) {
  std::vector<float> scales = AbsurdScales();
  for (const float scale : EdgeScales()) {
    scales.push_back(scale);
  }
  const ChunkShape shape =
      Shape(GetParam(), static_cast<uint32_t>(scales.size()), 61);
  const ByteVector weights =
      GaussianWeights(GetParam(), shape.weight_count(), 8);
  const ByteVector codes = RandomBytes(shape.weight_count(), 8);
  CheckRoundTrip(shape, weights,
                 {reinterpret_cast<const int8_t*>(codes.data()), codes.size()},
                 scales);
}

TEST_P(ChunkCodecTest, RandomCodesFallBackToPlain) {
  const ChunkShape shape = Shape(GetParam(), 64, 512);
  const ByteVector weights =
      GaussianWeights(GetParam(), shape.weight_count(), 9);
  const ByteVector codes = RandomBytes(shape.weight_count(), 9);
  const std::vector<float> scales(shape.rows, 0.001f);
  const EncodedChunk chunk = CheckRoundTrip(
      shape, weights,
      {reinterpret_cast<const int8_t*>(codes.data()), codes.size()}, scales);
  EXPECT_EQ(ModeOf(chunk), ResidualMode::kPlain);
  EXPECT_LT(ResidualBytes(chunk), shape.weight_bytes());
}

// Other rounding at ties and the like: a few codes are off by one.
TEST_P(ChunkCodecTest, RareExceptionsCostLittle) {
  const ChunkShape shape = Shape(GetParam(), 128, 512);
  const ByteVector weights =
      GaussianWeights(GetParam(), shape.weight_count(), 10);
  ChunkEncoder encoder{EncodeOptions()};
  EncodedChunk exact;
  ASSERT_TRUE(encoder.Encode(shape, weights, &exact).ok());
  std::vector<int8_t> codes(shape.weight_count());
  std::vector<float> scales(shape.rows);
  ChunkDecoder decoder;
  ASSERT_TRUE(decoder.DecodeInt8(shape, exact.int8_blob, codes, scales).ok());
  for (size_t i = 0; i < codes.size(); i += 5000) {
    codes[i] = static_cast<int8_t>(codes[i] > 0 ? codes[i] - 1 : codes[i] + 1);
  }
  const EncodedChunk chunk = CheckRoundTrip(shape, weights, codes, scales);
  EXPECT_EQ(ModeOf(chunk), ResidualMode::kInterval);
  EXPECT_LT(ResidualBits(shape, chunk), ResidualBits(shape, exact) + 0.04);
}

TEST_P(ChunkCodecTest, TakesUnalignedWeights) {
  const ChunkShape shape = Shape(GetParam(), 9, 130);
  const ByteVector weights =
      GaussianWeights(GetParam(), shape.weight_count(), 11);
  ByteVector shifted(weights.size() + 1);
  std::copy(weights.begin(), weights.end(), shifted.begin() + 1);
  const EncodedChunk aligned = CheckRoundTrip(shape, weights);
  const EncodedChunk unaligned =
      CheckRoundTrip(shape, ByteView(shifted).subspan(1));
  EXPECT_TRUE(SameBytes(aligned, unaligned));
}

TEST_P(ChunkCodecTest, IsDeterministic) {
  const ChunkShape shape = Shape(GetParam(), 33, 400);
  const ByteVector weights =
      GaussianWeights(GetParam(), shape.weight_count(), 12);
  ChunkEncoder used{EncodeOptions()};
  EncodedChunk other;
  ASSERT_TRUE(used.Encode(Shape(GetParam(), 3, 4001),
                          RandomBytes(12003 * FloatBytes(GetParam()), 1),
                          &other)
                  .ok());
  EncodedChunk first;
  EncodedChunk second = other;
  ASSERT_TRUE(used.Encode(shape, weights, &first).ok());
  ASSERT_TRUE(
      ChunkEncoder(EncodeOptions()).Encode(shape, weights, &second).ok());
  EXPECT_TRUE(SameBytes(first, second));
}

// A whole chunk, so that every stream is longer than a block.
TEST_P(ChunkCodecTest, SizesOfALinearLayer) {
  const ChunkShape shape = Shape(GetParam(), 256, 4096);
  const ByteVector weights =
      GaussianWeights(GetParam(), shape.weight_count(), 13);
  const EncodedChunk chunk = CheckRoundTrip(shape, weights);
  const double int8_bits = static_cast<double>(chunk.int8_blob.size()) * 8 /
                           static_cast<double>(shape.weight_count());
  EXPECT_LT(int8_bits, 7.3);
  // log2 of the intervals' sizes plus what truncated binary and code 0 cost.
  const double most = GetParam() == FloatFormat::kBF16  ? 3.6
                      : GetParam() == FloatFormat::kF16 ? 6.6
                                                        : 19.6;
  EXPECT_LT(ResidualBits(shape, chunk), most);
}

INSTANTIATE_TEST_SUITE_P(Formats, ChunkCodecTest,
                         testing::ValuesIn(kAllFormats),
                         [](const auto& format) {
                           switch (format.param) {
                             case FloatFormat::kF32:
                               return "F32";
                             case FloatFormat::kF16:
                               return "F16";
                             case FloatFormat::kBF16:
                               break;
                           }
                           return "BF16";
                         });

ByteVector ThroughBF16(FloatFormat format, ByteView bf16) {
  ByteVector weights(bf16.size() / 2 * FloatBytes(format));
  for (size_t i = 0; i < bf16.size() / 2; ++i) {
    SetWeight(format, BitsOf(format, WeightValue(FloatFormat::kBF16, bf16, i)),
              i, &weights);
  }
  return weights;
}

TEST(ChunkGridTest, CastsFromBF16CostWhatBF16Costs) {
  const ChunkShape bf16_shape = Shape(FloatFormat::kBF16, 128, 1024);
  const ByteVector bf16 =
      GaussianWeights(FloatFormat::kBF16, bf16_shape.weight_count(), 14);
  const EncodedChunk bf16_chunk = CheckRoundTrip(bf16_shape, bf16);
  for (const FloatFormat format : {FloatFormat::kF16, FloatFormat::kF32}) {
    const ChunkShape shape = Shape(format, 128, 1024);
    const EncodedChunk chunk = CheckRoundTrip(shape, ThroughBF16(format, bf16));
    EXPECT_LT(ResidualBits(shape, chunk),
              ResidualBits(bf16_shape, bf16_chunk) + 0.05);
    EXPECT_LT(chunk.int8_blob.size(), bf16_chunk.int8_blob.size() + 100);
  }
}

TEST(ChunkGridTest, SomeWeightsOffTheGridAreExceptions) {
  const ChunkShape shape = Shape(FloatFormat::kF16, 64, 512);
  ByteVector weights = ThroughBF16(
      FloatFormat::kF16,
      GaussianWeights(FloatFormat::kBF16, shape.weight_count(), 15));
  for (size_t i = 0; i < shape.weight_count(); i += 1000) {
    weights[2 * i] |= 1;
  }
  const EncodedChunk chunk = CheckRoundTrip(shape, weights);
  EXPECT_LT(ResidualBits(shape, chunk), 3.8);
}

TEST(ChunkCodecErrorsTest, RefusesShapesThatAreNoChunk) {
  ChunkEncoder encoder{EncodeOptions()};
  ChunkDecoder decoder;
  EncodedChunk chunk;
  const ByteVector weights(64);
  ByteVector out(64);
  const ChunkShape shapes[] = {
      Shape(FloatFormat::kBF16, 0, 4),
      Shape(FloatFormat::kBF16, 4, 0),
      Shape(FloatFormat::kBF16, 1, kMaxColumns + 1),
      Shape(FloatFormat::kBF16, 1u << 13, 1u << 13),
      Shape(FloatFormat::kBF16, 1u << 31, 1u << 20),
      Shape(static_cast<FloatFormat>(9), 4, 4),
      Shape(FloatFormat::kBF16, 4, 4, static_cast<ScaleStrategy>(7)),
      Shape(FloatFormat::kBF16, 4, 4, ScaleStrategy::kGroup, 0),
      Shape(FloatFormat::kBF16, 4, 4, ScaleStrategy::kChannel, 2),
  };
  for (const ChunkShape& shape : shapes) {
    EXPECT_EQ(encoder.Encode(shape, weights, &chunk).code(),
              absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(encoder.EncodePair(shape, weights, {}, {}, &chunk).code(),
              absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(decoder.DecodeInt8(shape, weights, {}, {}).code(),
              absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(decoder.DecodeWeights(shape, weights, {}, out).code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST(ChunkCodecErrorsTest, RefusesSizesThatDoNotFitTheShape) {
  ChunkEncoder encoder{EncodeOptions()};
  ChunkDecoder decoder;
  EncodedChunk chunk;
  const ChunkShape shape = Shape(FloatFormat::kBF16, 2, 4);
  ByteVector weights(16);
  std::vector<int8_t> codes(8);
  std::vector<float> scales(2, 1.0f);
  ASSERT_TRUE(encoder.EncodePair(shape, weights, codes, scales, &chunk).ok());
  EXPECT_EQ(encoder.Encode(shape, ByteView(weights).first(15), &chunk).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(
      encoder
          .EncodePair(shape, weights, std::span(codes).first(7), scales, &chunk)
          .code(),
      absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(
      encoder
          .EncodePair(shape, weights, codes, std::span(scales).first(1), &chunk)
          .code(),
      absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(
      decoder
          .DecodeInt8(shape, chunk.int8_blob, std::span(codes).first(7), scales)
          .code(),
      absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(decoder
                .DecodeWeights(shape, chunk.int8_blob, Views(chunk),
                               MutableByteView(weights).first(14))
                .code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(ChunkCodecErrorsTest, RefusesUnknownQuantizersAndTensorScales) {
  EncodedChunk chunk;
  const ByteVector weights(16);
  EXPECT_EQ(FindQuantizer("gptq"), nullptr);
  EXPECT_EQ(FindQuantizer(kNoQuantizer), nullptr);
  ChunkEncoder encoder{EncodeOptions()};
  EXPECT_EQ(encoder
                .Encode(Shape(FloatFormat::kBF16, 2, 4, ScaleStrategy::kTensor),
                        weights, &chunk)
                .code(),
            absl::StatusCode::kInvalidArgument);
}

// What codec/quantizer.h and docs/format.md promise to people without this
// code: the blob is two zstd frames, and decompresses to the codes.
TEST(Int8BlobTest, IsPlainZstdOfTheCodes) {
  const ChunkShape shape = Shape(FloatFormat::kBF16, 8, 300);
  const ByteVector weights =
      GaussianWeights(FloatFormat::kBF16, shape.weight_count(), 16);
  const EncodedChunk chunk = CheckRoundTrip(shape, weights);
  std::vector<int8_t> codes(shape.weight_count());
  ASSERT_EQ(ZSTD_decompress(codes.data(), codes.size(), chunk.int8_blob.data(),
                            chunk.int8_blob.size()),
            codes.size());
  for (uint32_t row = 0; row < shape.rows; ++row) {
    float absmax = 0;
    for (uint32_t column = 0; column < shape.columns; ++column) {
      absmax = std::max(
          absmax, std::abs(WeightValue(FloatFormat::kBF16, weights,
                                       size_t{row} * shape.columns + column)));
    }
    for (uint32_t column = 0; column < shape.columns; ++column) {
      const size_t i = size_t{row} * shape.columns + column;
      ASSERT_EQ(static_cast<float>(codes[i]),
                std::rint(WeightValue(FloatFormat::kBF16, weights, i) /
                          (absmax / 127.0f)));
    }
  }
}

TEST(QuantizerTest, ScalesAreFiniteAndPositive) {
  const ChunkShape shape = Shape(FloatFormat::kF32, 5, 3);
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float rows[5][3] = {{0, -0.0f, 0},
                            {1e-40f, 0, -1e-39f},
                            {infinity, 2.54f, -infinity},
                            {nan, nan, nan},
                            {-FLT_MAX, 1, 0}};
  ByteVector weights(sizeof(rows));
  std::memcpy(weights.data(), rows, sizeof(rows));
  const EncodedChunk chunk = CheckRoundTrip(shape, weights);
  std::vector<int8_t> codes(15);
  std::vector<float> scales(5);
  ChunkDecoder decoder;
  ASSERT_TRUE(decoder.DecodeInt8(shape, chunk.int8_blob, codes, scales).ok());
  EXPECT_THAT(scales, testing::ElementsAre(1.0f, FLT_MIN, 2.54f / 127, 1.0f,
                                           FLT_MAX / 127));
  EXPECT_THAT(codes, testing::ElementsAre(0, 0, 0, 0, 0, 0, 127, 127, -127, 0,
                                          0, 0, -127, 0, 0));
}

}  // namespace
}  // namespace qstore::codec
