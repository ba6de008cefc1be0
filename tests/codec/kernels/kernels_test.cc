#include "codec/kernels/kernels.h"

#include <array>
#include <cmath>
#include <cstdlib>

#include "codec/residual/rank_reader.h"
#include "codec/residual/rank_writer.h"
#include "codec/residual/residual_format.h"
#include "gtest/gtest.h"
#include "tests/codec/kernels/each_kernels.h"
#include "tests/codec/sample_weights.h"

namespace qstore::codec {
namespace {

ByteVector All16BitWeights() {
  ByteVector weights(size_t{2} << 16);
  for (uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    StoreLittleEndian(static_cast<uint16_t>(bits), weights.data() + 2 * bits);
  }
  return weights;
}

TEST(KernelsTest, RoundsAll16BitWeightsAsTheCLibraryDoes) {
  const ByteVector weights = All16BitWeights();
  std::vector<int8_t> expected(1 << 16);
  std::vector<int8_t> codes(1 << 16);
  for (const FloatFormat format : {FloatFormat::kF16, FloatFormat::kBF16}) {
    for (const float scale : EdgeScales()) {
      for (size_t i = 0; i < expected.size(); ++i) {
        const float code = std::rint(WeightValue(format, weights, i) / scale);
        expected[i] =
            std::isnan(code)
                ? int8_t{0}
                : static_cast<int8_t>(std::min(std::max(code, -127.f), 127.f));
      }
      ForEachKernels([&] {
        BestKernels().round_to_codes(format, weights.data(), codes.size(),
                                     scale, codes.data());
        ASSERT_EQ(codes, expected)
            << static_cast<int>(format) << " scale " << scale;
      });
    }
  }
}

TEST(KernelsTest, RoundsFloat32AsTheReferenceDoes) {
  constexpr size_t kCount = 4099;
  const ByteVector weights = RandomBytes(kCount * sizeof(float), 3);
  std::vector<int8_t> expected(kCount);
  std::vector<int8_t> codes(kCount);
  ForEachKernels([&] {
    for (const float scale : EdgeScales()) {
      ScalarKernels().round_to_codes(FloatFormat::kF32, weights.data(), kCount,
                                     scale, expected.data());
      BestKernels().round_to_codes(FloatFormat::kF32, weights.data(), kCount,
                                   scale, codes.data());
      ASSERT_EQ(codes, expected) << scale;
    }
  });
}

TEST(KernelsTest, AbsmaxIgnoresInfinitiesAndNans) {
  ForEachKernels([&] {
    for (const FloatFormat format : kAllFormats) {
      for (const size_t count : {1, 7, 31, 32, 33, 200}) {
        ByteVector weights(count * FloatBytes(format));
        for (const uint32_t special : SpecialBits(format)) {
          for (size_t i = 0; i < count; ++i) {
            SetWeight(format, special, i, &weights);
          }
          SetWeight(format, BitsOf(format, -1.5f), count / 2, &weights);
          const uint32_t ordinal = special & ~SignMask(format);
          const float expected =
              count > 1 && ordinal < InfinityOrdinal(format)
                  ? std::max(1.5f, std::abs(WeightValue(format, weights, 0)))
                  : 1.5f;
          ASSERT_EQ(BestKernels().finite_absmax(format, weights.data(), count),
                    expected)
              << special << " x " << count;
        }
      }
    }
  });
}

// One run through the rank kernels and back, without the bound on exceptions.
class RankPipeline {
 public:
  void Encode(FloatFormat format, float scale, uint32_t grid, ByteView weights,
              std::span<const int8_t> codes) {
    BestKernels().build_interval_table(format, scale, grid, &table_);
    writer_.Start(format, BestKernels());
    for (size_t at = 0; at < codes.size(); at += kBlockWeights) {
      BestKernels().encode_ranks(
          format, table_, weights.data() + at * FloatBytes(format),
          codes.data() + at, std::min(kBlockWeights, codes.size() - at),
          writer_.PrepareBlock(table_.widths, static_cast<uint32_t>(at)));
    }
    writer_.Finish();
    builder_.Start(&blobs_);
    writer_.AppendBlobs(&builder_);
  }

  void Decode(FloatFormat format, std::span<const int8_t> codes,
              ByteVector* weights) {
    reader_.Start(BestKernels());
    for (const EncodedBlob& blob : blobs_) {
      if (blob.subgroup <= kLastRankSubgroup) {
        ASSERT_TRUE(reader_.AddRanks(blob.subgroup, blob.bytes).ok());
      } else {
        ASSERT_TRUE(
            reader_.AddExtraBits(writer_.extra_bit_count(), blob.bytes).ok());
      }
    }
    ByteVector code_zeros(writer_.code_zeros().begin(),
                          writer_.code_zeros().end());
    code_zeros.resize(code_zeros.size() + kBlockWeights * FloatBytes(format) +
                      kVectorSlackBytes);
    const uint8_t* next = code_zeros.data();
    for (size_t at = 0; at < codes.size(); at += kBlockWeights) {
      DecodeCursor* cursor = reader_.PrepareBlock(table_.widths);
      cursor->next_code_zero = next;
      BestKernels().decode_ranks(format, table_, codes.data() + at,
                                 std::min(kBlockWeights, codes.size() - at),
                                 cursor,
                                 weights->data() + at * FloatBytes(format));
      next = cursor->next_code_zero;
      ASSERT_TRUE(reader_.CheckBlock().ok());
    }
    ASSERT_TRUE(reader_.CheckEnd().ok());
    for (const Exception& exception : writer_.exceptions()) {
      SetWeight(format, exception.bits, exception.position, weights);
    }
  }

  const RankWriter& writer() const { return writer_; }
  const std::vector<EncodedBlob>& blobs() const { return blobs_; }

 private:
  IntervalTable table_;
  RankWriter writer_;
  RankReader reader_;
  ResidualBuilder builder_;
  std::vector<EncodedBlob> blobs_;
};

// Everything about a run that reaches the stored bytes.
struct RunBytes {
  std::vector<ByteVector> blobs;
  ByteVector code_zeros;
  std::vector<std::pair<uint32_t, uint32_t>> exceptions;
  bool operator==(const RunBytes&) const = default;
};

RunBytes BytesOf(const RankPipeline& pipeline) {
  RunBytes bytes;
  for (const EncodedBlob& blob : pipeline.blobs()) {
    bytes.blobs.push_back(blob.bytes);
    bytes.blobs.back().push_back(blob.subgroup);
  }
  const auto code_zeros = pipeline.writer().code_zeros();
  bytes.code_zeros.assign(code_zeros.begin(), code_zeros.end());
  for (const Exception& exception : pipeline.writer().exceptions()) {
    bytes.exceptions.emplace_back(exception.position, exception.bits);
  }
  return bytes;
}

// Encodes with every kernel; all must give the same bytes and decode them. A
// pipeline is used for all runs, as in use.
void CheckRun(FloatFormat format, float scale, uint32_t grid, ByteView weights,
              std::span<const int8_t> codes) {
  static RankPipeline pipeline;
  RunBytes expected;
  ByteVector decoded(weights.size());
  ForEachKernels([&] {
    const bool is_reference = &BestKernels() == &ScalarKernels();
    // Targets without rank kernels of their own use the reference's.
    if (!is_reference &&
        BestKernels().encode_ranks == ScalarKernels().encode_ranks) {
      return;
    }
    pipeline.Encode(format, scale, grid, weights, codes);
    if (is_reference) {
      expected = BytesOf(pipeline);
    } else {
      ASSERT_TRUE(BytesOf(pipeline) == expected);
    }
    std::fill(decoded.begin(), decoded.end(), 0xA5);
    pipeline.Decode(format, codes, &decoded);
    ASSERT_TRUE(std::equal(decoded.begin(), decoded.end(), weights.begin()));
  });
}

// The scales to try with `code`: some of a few, or all of them when
// QSTORE_TEST_EXHAUSTIVE is set, which takes minutes.
std::vector<float> ScalesFor(int code) {
  // Nothing here sets variables. NOLINTNEXTLINE(concurrency-mt-unsafe)
  if (std::getenv("QSTORE_TEST_EXHAUSTIVE") == nullptr) {
    constexpr std::array<float, 4> kFew = {0.0078125f, 0.0021f, 1e-40f, 515.9f};
    return {kFew[static_cast<size_t>(code + 128) % kFew.size()]};
  }
  std::vector<float> scales = EdgeScales();
  for (const float scale : AbsurdScales()) {
    scales.push_back(scale);
  }
  return scales;
}

// All 65,536 bit patterns under all 256 codes.
TEST(KernelsTest, All16BitWeightsUnderAllCodes) {
  const ByteVector weights = All16BitWeights();
  std::vector<int8_t> codes(1 << 16);
  for (const FloatFormat format : {FloatFormat::kF16, FloatFormat::kBF16}) {
    for (int code = -128; code < 128; ++code) {
      std::fill(codes.begin(), codes.end(), static_cast<int8_t>(code));
      for (const float scale : ScalesFor(code)) {
        ASSERT_NO_FATAL_FAILURE(
            CheckRun(format, scale, code % 3 == 0 ? 2 : 0, weights, codes))
            << "code " << code << ", scale " << scale;
      }
    }
  }
}

// All bit patterns under their own code, and under its neighbours.
TEST(KernelsTest, All16BitWeightsUnderEdgeScales) {
  const ByteVector weights = All16BitWeights();
  std::vector<int8_t> codes(1 << 16);
  std::vector<float> scales = EdgeScales();
  for (const float scale : AbsurdScales()) {
    scales.push_back(scale);
  }
  for (const FloatFormat format : {FloatFormat::kF16, FloatFormat::kBF16}) {
    for (size_t i = 0; i < scales.size(); ++i) {
      const float divisor = IsUsableScale(scales[i]) ? scales[i] : 1.0f;
      ScalarKernels().round_to_codes(format, weights.data(), codes.size(),
                                     divisor, codes.data());
      for (size_t j = 0; j < codes.size(); j += 5) {
        codes[j] = static_cast<int8_t>(codes[j] + 1);
      }
      ASSERT_NO_FATAL_FAILURE(CheckRun(format, scales[i],
                                       static_cast<uint32_t>(i % 8) * (i % 2),
                                       weights, codes))
          << scales[i];
    }
  }
}

TEST(KernelsTest, Float32UnderEdgeScales) {
  constexpr size_t kCount = 2 * kBlockWeights + 77;
  std::mt19937_64 random(11);
  for (const float scale : EdgeScales()) {
    ByteVector weights = RandomBytes(kCount * sizeof(float), 5);
    std::vector<int8_t> codes(kCount);
    for (size_t i = 0; i < kCount; ++i) {
      // Half of them near the ends of some interval.
      if (i % 2 == 0) {
        const auto magnitude = 1 + static_cast<uint32_t>(random() % 127);
        const uint32_t ordinal =
            LowestOrdinal(FloatFormat::kF32, scale, magnitude) +
            static_cast<uint32_t>(random() % 5) - 2;
        SetWeight(FloatFormat::kF32,
                  ordinal | static_cast<uint32_t>(random()) << 31, i, &weights);
      }
    }
    ScalarKernels().round_to_codes(FloatFormat::kF32, weights.data(), kCount,
                                   scale, codes.data());
    for (size_t i = 0; i < kCount; i += 9) {
      codes[i] = static_cast<int8_t>(random());
    }
    for (const uint32_t grid : {0u, 1u, 13u, 23u}) {
      ASSERT_NO_FATAL_FAILURE(
          CheckRun(FloatFormat::kF32, scale, grid, weights, codes))
          << scale;
    }
  }
}

TEST(KernelsTest, AllLengthsOfRuns) {
  for (const FloatFormat format : kAllFormats) {
    for (size_t count = 0; count < 100; ++count) {
      const ByteVector weights = GaussianWeights(format, count, count);
      std::vector<int8_t> codes(count);
      ScalarKernels().round_to_codes(format, weights.data(), count, 0.001f,
                                     codes.data());
      ASSERT_NO_FATAL_FAILURE(CheckRun(format, 0.001f, 0, weights, codes))
          << count;
    }
  }
}

}  // namespace
}  // namespace qstore::codec
