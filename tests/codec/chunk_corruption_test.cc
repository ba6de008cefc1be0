// Damaged and hostile blobs: the decoder gives an error or some output, and
// never touches memory that is not its own (the sanitizers watch).
#include "codec/residual/residual_format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/codec/chunk_round_trip.h"
#include "tests/codec/pairs/given_pairs.h"

namespace qstore::codec {
namespace {

struct Sample {
  ChunkShape shape;
  ByteVector weights;
  EncodedChunk chunk;
};

enum class SampleKind { kInterval, kPlain, kDifferences, kColumnFactors };

GivenKind GivenKindOf(SampleKind kind) {
  switch (kind) {
    case SampleKind::kPlain:
      return GivenKind::kUnrelated;
    case SampleKind::kDifferences:
      return GivenKind::kErrorsMoved;
    case SampleKind::kColumnFactors:
      return GivenKind::kSmoothed;
    case SampleKind::kInterval:
      break;
  }
  return GivenKind::kNearest;
}

Sample MakeSample(FloatFormat format, SampleKind kind) {
  Sample sample;
  sample.shape = {.format = format, .rows = 6, .columns = 210};
  if (kind == SampleKind::kColumnFactors) {
    // Enough rows that the factors are worth their bytes.
    sample.shape.rows = 60;
    sample.shape.columns = 21;
  }
  sample.weights = GaussianWeights(format, sample.shape.weight_count(), 21);
  // Some exceptions, so that every kind of subgroup is there.
  SetWeight(format, InfinityOrdinal(format), 5, &sample.weights);
  SetWeight(format, InfinityOrdinal(format) | SignMask(format), 900,
            &sample.weights);
  const GivenPair pair =
      MakeGivenPair(GivenKindOf(kind), sample.shape, sample.weights, 22);
  ChunkEncoder encoder{EncodeOptions()};
  EXPECT_TRUE(encoder
                  .EncodePair(sample.shape, sample.weights, pair.codes,
                              pair.scales, &sample.chunk)
                  .ok());
  const uint8_t mode = sample.chunk.residual[0].bytes[1];
  EXPECT_EQ(mode, kind == SampleKind::kInterval ? 0
                  : kind == SampleKind::kPlain  ? 1
                                                : 2);
  if (mode == 2) {
    EXPECT_EQ(sample.chunk.residual.back().bytes[0],
              kind == SampleKind::kColumnFactors ? 1 : 0);
  }
  return sample;
}

// Views into exact-size heap copies, so that the sanitizers see every byte read
// past an end.
class ExactCopy {
 public:
  explicit ExactCopy(const EncodedChunk& chunk) {
    int8_ = Copy(chunk.int8_blob);
    for (const EncodedBlob& blob : chunk.residual) {
      copies_.push_back(Copy(blob.bytes));
      views_.push_back(
          {blob.subgroup, ByteView(copies_.back().get(), blob.bytes.size())});
    }
    int8_size_ = chunk.int8_blob.size();
  }
  ByteView int8_blob() const { return {int8_.get(), int8_size_}; }
  std::span<const BlobView> residual() const { return views_; }

 private:
  static std::unique_ptr<uint8_t[]> Copy(const ByteVector& bytes) {
    auto copy = std::make_unique<uint8_t[]>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), copy.get());
    return copy;
  }
  std::unique_ptr<uint8_t[]> int8_;
  size_t int8_size_ = 0;
  std::vector<std::unique_ptr<uint8_t[]>> copies_;
  std::vector<BlobView> views_;
};

// True when the weights came out right.
bool DecodesRight(const Sample& sample, const EncodedChunk& chunk) {
  static ChunkDecoder decoder;
  const ExactCopy copy(chunk);
  ByteVector weights(sample.weights.size());
  const absl::Status status = decoder.DecodeWeights(
      sample.shape, copy.int8_blob(), copy.residual(), weights);
  if (!status.ok()) {
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_FALSE(status.message().empty());
  }
  std::vector<int8_t> codes(sample.shape.weight_count());
  std::vector<float> scales(sample.shape.scale_count());
  const absl::Status int8_status =
      decoder.DecodeInt8(sample.shape, copy.int8_blob(), codes, scales);
  EXPECT_TRUE(int8_status.ok() ||
              int8_status.code() == absl::StatusCode::kDataLoss);
  return status.ok() && weights == sample.weights;
}

ByteVector* BlobAt(EncodedChunk* chunk, size_t index) {
  return index == 0 ? &chunk->int8_blob : &chunk->residual[index - 1].bytes;
}

class ChunkCorruptionTest
    : public testing::TestWithParam<std::tuple<FloatFormat, SampleKind>> {};

TEST_P(ChunkCorruptionTest, TruncationIsAnError) {
  const Sample sample =
      MakeSample(std::get<0>(GetParam()), std::get<1>(GetParam()));
  ASSERT_TRUE(DecodesRight(sample, sample.chunk));
  for (size_t blob = 0; blob <= sample.chunk.residual.size(); ++blob) {
    // The weights of a plain chunk do not need its codes.
    if (blob == 0 && std::get<1>(GetParam()) == SampleKind::kPlain) {
      continue;
    }
    EncodedChunk damaged = sample.chunk;
    while (!BlobAt(&damaged, blob)->empty()) {
      BlobAt(&damaged, blob)->pop_back();
      ASSERT_FALSE(DecodesRight(sample, damaged))
          << "blob " << blob << " cut to " << BlobAt(&damaged, blob)->size();
    }
  }
}

TEST_P(ChunkCorruptionTest, ExtraBytesAreAnError) {
  const Sample sample =
      MakeSample(std::get<0>(GetParam()), std::get<1>(GetParam()));
  for (size_t blob = 0; blob <= sample.chunk.residual.size(); ++blob) {
    if (blob == 0 && std::get<1>(GetParam()) == SampleKind::kPlain) {
      continue;
    }
    EncodedChunk damaged = sample.chunk;
    BlobAt(&damaged, blob)->push_back(0);
    EXPECT_FALSE(DecodesRight(sample, damaged)) << "blob " << blob;
  }
}

TEST_P(ChunkCorruptionTest, RandomDamageNeverCrashes) {
  const Sample sample =
      MakeSample(std::get<0>(GetParam()), std::get<1>(GetParam()));
  std::mt19937_64 random(23);
  for (int round = 0; round < 3000; ++round) {
    EncodedChunk damaged = sample.chunk;
    ByteVector* blob =
        BlobAt(&damaged, random() % (damaged.residual.size() + 1));
    const uint64_t changes = 1 + random() % 4;
    for (uint64_t i = 0; i < changes; ++i) {
      // Headers are hit more often than chance would.
      const size_t reach =
          random() % 2 == 0 ? std::min<size_t>(blob->size(), 40) : blob->size();
      (*blob)[random() % reach] = static_cast<uint8_t>(random());
    }
    if (round % 50 == 0) {
      // Every kernel meets some of it.
      ForEachKernels([&] { DecodesRight(sample, damaged); });
    } else {
      DecodesRight(sample, damaged);
    }
  }
}

TEST_P(ChunkCorruptionTest, MissingSubgroupsAreAnError) {
  const Sample sample =
      MakeSample(std::get<0>(GetParam()), std::get<1>(GetParam()));
  for (size_t i = 0; i < sample.chunk.residual.size(); ++i) {
    EncodedChunk damaged = sample.chunk;
    damaged.residual.erase(damaged.residual.begin() + static_cast<long>(i));
    EXPECT_FALSE(DecodesRight(sample, damaged)) << "subgroup at " << i;
  }
}

// Codes that need more of everything than the residual has.
TEST_P(ChunkCorruptionTest, OtherCodesAreAnError) {
  const Sample sample =
      MakeSample(std::get<0>(GetParam()), SampleKind::kInterval);
  ChunkEncoder encoder{EncodeOptions()};
  for (const int code : {0, 1, -1, 2, 3, 5, 9, 20, 60, 127, -128}) {
    const std::vector<int8_t> codes(sample.shape.weight_count(),
                                    static_cast<int8_t>(code));
    const std::vector<float> scales(sample.shape.rows, 0.001f);
    EncodedChunk other;
    ASSERT_TRUE(
        encoder.EncodePair(sample.shape, sample.weights, codes, scales, &other)
            .ok());
    EncodedChunk damaged = sample.chunk;
    damaged.int8_blob = other.int8_blob;
    ForEachKernels([&] { EXPECT_FALSE(DecodesRight(sample, damaged)); });
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, ChunkCorruptionTest,
    testing::Combine(testing::ValuesIn(kAllFormats),
                     testing::Values(SampleKind::kInterval, SampleKind::kPlain,
                                     SampleKind::kDifferences,
                                     SampleKind::kColumnFactors)));

std::string DecodeError(const Sample& sample, const EncodedChunk& chunk) {
  ChunkDecoder decoder;
  ByteVector weights(sample.weights.size());
  return std::string(
      decoder
          .DecodeWeights(sample.shape, chunk.int8_blob, Views(chunk), weights)
          .message());
}

TEST(ChunkErrorMessagesTest, NameTheRuleThatIsBroken) {
  const Sample sample = MakeSample(FloatFormat::kBF16, SampleKind::kInterval);
  const auto with_head_byte = [&](size_t index, uint8_t value) {
    EncodedChunk chunk = sample.chunk;
    chunk.residual[0].bytes[index] = value;
    return DecodeError(sample, chunk);
  };
  using testing::HasSubstr;
  EXPECT_THAT(with_head_byte(0, 9), HasSubstr("version 9"));
  EXPECT_THAT(with_head_byte(1, 3), HasSubstr("unknown mode 3"));
  EXPECT_THAT(with_head_byte(1, 2), HasSubstr("code differences"));
  EXPECT_THAT(with_head_byte(2, 1), HasSubstr("float format 1 instead of 3"));
  EXPECT_THAT(with_head_byte(3, 8), HasSubstr("unknown rounding 8"));
  EXPECT_THAT(with_head_byte(4, 8), HasSubstr("grid 8"));
  EXPECT_THAT(with_head_byte(6, 1), HasSubstr("reserved"));
  EXPECT_THAT(with_head_byte(10, 1), HasSubstr("counts more weights"));
  EXPECT_THAT(with_head_byte(1, 1), HasSubstr("does not belong to mode 1"));
  EncodedChunk differences =
      MakeSample(FloatFormat::kBF16, SampleKind::kDifferences).chunk;
  differences.residual[0].bytes[1] = 0;
  EXPECT_THAT(DecodeError(sample, differences),
              HasSubstr("subgroup 36 does not belong to mode 0"));

  EncodedChunk chunk = sample.chunk;
  chunk.residual[1].subgroup = 40;
  chunk.residual.resize(2);
  EXPECT_THAT(DecodeError(sample, chunk), HasSubstr("40 is unknown"));

  chunk = sample.chunk;
  std::swap(chunk.residual[1], chunk.residual[2]);
  EXPECT_THAT(DecodeError(sample, chunk), HasSubstr("comes after"));

  chunk = sample.chunk;
  chunk.int8_blob[0] ^= 1;
  EXPECT_THAT(DecodeError(sample, chunk),
              HasSubstr("does not start with its header"));
}

}  // namespace
}  // namespace qstore::codec
