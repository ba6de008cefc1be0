// What encoders and decoders allocate: nothing once they are warm, and never
// more than their bound.
#include <memory>

#include "codec/chunk_codec.h"
#include "codec/kernels/kernels.h"
#include "codec/residual/residual_builder.h"
#include "gtest/gtest.h"
#include "tests/codec/counted_memory.h"
#include "tests/codec/pairs/given_pairs.h"
#include "tests/codec/sample_weights.h"

namespace qstore::codec {
namespace {

struct Case {
  std::string name;
  ChunkShape shape;
  ByteVector weights;
  // Empty: the encoder quantizes.
  std::vector<int8_t> codes;
  std::vector<float> scales;
};

void Encode(const Case& chunk, ChunkEncoder* encoder, EncodedChunk* out) {
  const absl::Status status =
      chunk.codes.empty() ? encoder->Encode(chunk.shape, chunk.weights, out)
                          : encoder->EncodePair(chunk.shape, chunk.weights,
                                                chunk.codes, chunk.scales, out);
  ASSERT_TRUE(status.ok()) << status;
}

// Room for what is decoded, made before anything is counted.
struct Decoded {
  std::vector<int8_t> codes;
  std::vector<float> scales;
  ByteVector weights;
  std::vector<BlobView> views;

  explicit Decoded(const ChunkShape& shape)
      : codes(shape.weight_count()),
        scales(shape.scale_count()),
        weights(shape.weight_bytes()) {
    views.reserve(64);
  }
};

void Decode(const ChunkShape& shape, const EncodedChunk& chunk,
            ChunkDecoder* decoder, Decoded* decoded) {
  decoded->views.clear();
  for (const EncodedBlob& blob : chunk.residual) {
    decoded->views.push_back({blob.subgroup, blob.bytes});
  }
  absl::Status status = decoder->DecodeInt8(shape, chunk.int8_blob,
                                            decoded->codes, decoded->scales);
  ASSERT_TRUE(status.ok()) << status;
  status = decoder->DecodeWeights(shape, chunk.int8_blob, decoded->views,
                                  decoded->weights);
  ASSERT_TRUE(status.ok()) << status;
}

Case GaussianCase(FloatFormat format, uint32_t rows, uint32_t columns) {
  Case chunk;
  chunk.name = "Gaussian" + std::to_string(static_cast<int>(format));
  chunk.shape = {.format = format, .rows = rows, .columns = columns};
  chunk.weights = GaussianWeights(format, chunk.shape.weight_count(), rows);
  return chunk;
}

// Codes that have nothing to do with the weights.
Case UnrelatedCase(FloatFormat format, uint32_t rows, uint32_t columns) {
  Case chunk = GaussianCase(format, rows, columns);
  chunk.name = "Unrelated" + std::to_string(static_cast<int>(format));
  const ByteVector codes = RandomBytes(chunk.shape.weight_count(), 3);
  chunk.codes.assign(codes.begin(), codes.end());
  chunk.scales.assign(rows, 0.001f);
  return chunk;
}

void MakeEveryThirdCodeWrong(Case* chunk) {
  chunk->scales.assign(chunk->shape.rows, 0.0015f);
  chunk->codes.resize(chunk->shape.weight_count());
  ScalarKernels().round_to_codes(chunk->shape.format, chunk->weights.data(),
                                 chunk->codes.size(), 0.0015f,
                                 chunk->codes.data());
  for (size_t i = 0; i < chunk->codes.size(); i += 3) {
    chunk->codes[i] = static_cast<int8_t>(chunk->codes[i] + 1);
  }
}

Case GivenCase(GivenKind kind, FloatFormat format, uint32_t rows,
               uint32_t columns) {
  Case chunk = GaussianCase(format, rows, columns);
  chunk.name = "Given" + std::to_string(static_cast<int>(kind)) + "Format" +
               std::to_string(static_cast<int>(format));
  GivenPair pair = MakeGivenPair(kind, chunk.shape, chunk.weights, 4);
  chunk.codes = std::move(pair.codes);
  chunk.scales = std::move(pair.scales);
  return chunk;
}

Case ExceptionsCase(FloatFormat format, uint32_t rows, uint32_t columns) {
  Case chunk = GaussianCase(format, rows, columns);
  chunk.name = "Exceptions" + std::to_string(static_cast<int>(format));
  MakeEveryThirdCodeWrong(&chunk);
  return chunk;
}

// zstd gives back a context's memory after 128 frames that would have done with
// much less, so a context is warm for small chunks only behind so many.
constexpr int kWarmUpRounds = 70;
constexpr int kCountedRounds = 3;

TEST(ChunkMemoryTest, NothingIsAllocatedOnceWarm) {
  std::vector<Case> cases;
  for (const FloatFormat format : kAllFormats) {
    cases.push_back(GaussianCase(format, 5, 3001));
    cases.push_back(GaussianCase(format, 1, 5));
    cases.push_back(UnrelatedCase(format, 16, 700));
    cases.push_back(ExceptionsCase(format, 30, 301));
    cases.push_back(GivenCase(GivenKind::kErrorsMoved, format, 60, 301));
    cases.push_back(GivenCase(GivenKind::kSmoothed, format, 300, 61));
    cases.push_back(GaussianCase(format, 8, 1024));
    cases.back().shape.strategy = ScaleStrategy::kGroup;
    cases.back().shape.group_size = 32;
  }
  ChunkEncoder encoder{EncodeOptions()};
  ChunkDecoder decoder;
  EncodedChunk encoded;
  for (const Case& chunk : cases) {
    Decoded decoded(chunk.shape);
    uint64_t before = 0;
    for (int round = 0; round < kWarmUpRounds + kCountedRounds; ++round) {
      if (round == kWarmUpRounds) {
        before = CountedMemory().allocations;
      }
      ASSERT_NO_FATAL_FAILURE(Encode(chunk, &encoder, &encoded));
      ASSERT_NO_FATAL_FAILURE(Decode(chunk.shape, encoded, &decoder, &decoded));
      ASSERT_TRUE(decoded.weights == chunk.weights);
    }
    EXPECT_EQ(CountedMemory().allocations, before) << chunk.name;
  }
}

// Chunks of several kinds in turn do not make each other's buffers grow.
TEST(ChunkMemoryTest, MixedBlobsAllocateNothingOnceWarm) {
  ResidualBuilder builder;
  std::vector<EncodedBlob> residual;
  residual.reserve(4);
  uint64_t before = 0;
  for (int round = 0; round < 6; ++round) {
    if (round == 2) {
      before = CountedMemory().allocations;
    }
    builder.Start(&residual);
    builder.Append(0)->assign(20, 1);
    if (round % 2 == 0) {
      builder.Append(7)->assign(100000, 2);
      builder.Append(32)->assign(50, 3);
    } else {
      builder.Append(32)->assign(70000, 4);
      ByteVector plain = builder.Take(35);
      plain.assign(200000, 5);
      builder.Append(35, std::move(plain));
    }
    builder.Finish();
    EXPECT_EQ(residual.size(), 3u);
  }
  EXPECT_EQ(CountedMemory().allocations, before);
}

TEST(ChunkMemoryTest, LargeUnusedBuffersAreFreed) {
  ResidualBuilder builder;
  std::vector<EncodedBlob> residual(1);
  const int64_t before_bytes = CountedMemory().live_bytes;
  residual[0].bytes.resize(8 << 20);
  builder.Start(&residual);
  builder.Finish();
  EXPECT_LT(CountedMemory().live_bytes - before_bytes, 1 << 20);
}

TEST(ChunkMemoryTest, AllocationsAreCounted) {
  const MemoryCount before = CountedMemory();
  const auto block = std::make_unique<ByteVector>(100000);
  const MemoryCount after = CountedMemory();
  EXPECT_EQ(after.allocations, before.allocations + 2);
  EXPECT_GE(after.live_bytes, before.live_bytes + 100000);
}

constexpr int64_t kWorkingBytes = 64 << 20;  // codec/chunk_codec.h

constexpr uint32_t kRows = 1024;
constexpr uint32_t kColumns = kChunkWeights / kRows;

// The largest chunks of each kind, in FP32, of which everything is largest.
std::vector<Case> LargestCases() {
  const FloatFormat format = FloatFormat::kF32;
  const Case gaussian = GaussianCase(format, kRows, kColumns);
  std::vector<Case> cases = {gaussian};
  Case chunk = gaussian;
  chunk.name = "GroupsOfOne";
  chunk.shape.strategy = ScaleStrategy::kGroup;
  chunk.shape.group_size = 1;
  cases.push_back(chunk);
  chunk = gaussian;
  chunk.name = "RandomBits";
  chunk.weights = RandomBytes(chunk.shape.weight_bytes(), 1);
  cases.push_back(chunk);
  chunk = gaussian;
  chunk.name = "CodesZero";
  chunk.codes.assign(kChunkWeights, 0);
  chunk.scales.assign(kRows, 1.0f);
  cases.push_back(chunk);
  // Nearly as many exceptions as are allowed.
  chunk = gaussian;
  chunk.name = "HalfExceptions";
  MakeEveryThirdCodeWrong(&chunk);
  for (size_t i = 0; i < kChunkWeights; i += 6) {
    chunk.codes[i + 1] = static_cast<int8_t>(chunk.codes[i + 1] - 1);
  }
  cases.push_back(chunk);
  cases.push_back(GivenCase(GivenKind::kErrorsMoved, format, kRows, kColumns));
  cases.push_back(GivenCase(GivenKind::kSmoothed, format, kRows, kColumns));
  // As many factors as there can be.
  cases.push_back(
      GivenCase(GivenKind::kSmoothed, format, 8, kChunkWeights / 8));
  // And more, under as many scales as there can be.
  chunk.name = "UnrelatedGroupsOfOne";
  chunk.shape.strategy = ScaleStrategy::kGroup;
  chunk.shape.group_size = 1;
  chunk.scales.resize(kChunkWeights);
  for (size_t i = 0; i < kChunkWeights; ++i) {
    chunk.codes[i] = static_cast<int8_t>(i * 77);
    chunk.scales[i] = 0.001f + static_cast<float>(i) * 1e-9f;
  }
  cases.push_back(chunk);
  return cases;
}

TEST(ChunkMemoryTest, WorkingMemoryStaysBelowItsBound) {
  for (const Case& chunk : LargestCases()) {
    EncodedChunk encoded;
    Decoded decoded(chunk.shape);
    {
      ChunkEncoder encoder{EncodeOptions()};
      ASSERT_NO_FATAL_FAILURE(Encode(chunk, &encoder, &encoded));
    }
    // Into the same blobs again, so that only the encoder's own memory counts;
    // twice, since it keeps some.
    const int64_t before_bytes = CountedMemory().live_bytes;
    ResetPeak();
    {
      ChunkEncoder encoder{EncodeOptions()};
      ASSERT_NO_FATAL_FAILURE(Encode(chunk, &encoder, &encoded));
      ASSERT_NO_FATAL_FAILURE(Encode(chunk, &encoder, &encoded));
    }
    const int64_t encode_bytes = CountedMemory().peak_bytes - before_bytes;
    EXPECT_LE(encode_bytes, kWorkingBytes) << chunk.name;
    ResetPeak();
    {
      ChunkDecoder decoder;
      ASSERT_NO_FATAL_FAILURE(Decode(chunk.shape, encoded, &decoder, &decoded));
      ASSERT_NO_FATAL_FAILURE(Decode(chunk.shape, encoded, &decoder, &decoded));
    }
    const int64_t decode_bytes =
        CountedMemory().peak_bytes - CountedMemory().live_bytes;
    EXPECT_LE(decode_bytes, kWorkingBytes) << chunk.name;
  }
}

}  // namespace
}  // namespace qstore::codec
