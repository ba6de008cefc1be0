// What every coder of the codes promises.
#include "codec/int8/int8_coder.h"

#include <zstd.h>

#include "codec/int8/int8_blob.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/codec/int8/sample_codes.h"
#include "tests/codec/kernels/each_kernels.h"

namespace qstore::codec {
namespace {

TEST(Int8CodersTest, AreFoundByNumberAndByName) {
  EXPECT_EQ(Int8CoderNames(), "zstd, sliced");
  int previous = 0;
  for (const Int8CoderEntry* entry : Int8Coders()) {
    const auto number = static_cast<uint8_t>(entry->coder);
    EXPECT_GT(number, previous);
    previous = number;
    EXPECT_EQ(FindInt8Coder(number), entry);
    EXPECT_EQ(FindInt8Coder(entry->name), entry);
  }
  EXPECT_EQ(FindInt8Coder(uint8_t{0}), nullptr);
  EXPECT_EQ(FindInt8Coder(uint8_t{3}), nullptr);
  EXPECT_EQ(FindInt8Coder("lz4"), nullptr);
  EXPECT_EQ(FindInt8Coder(""), nullptr);
}

class Int8CoderTest : public testing::TestWithParam<const Int8CoderEntry*> {
 protected:
  // With every kernel; all must give the same bytes. Returns those.
  ByteVector CheckRoundTrip(const ChunkShape& shape,
                            std::span<const int8_t> codes) {
    ByteVector expected;
    bool is_first = true;
    ForEachKernels([&] {
      ByteVector stored = {1, 2, 3};
      ASSERT_TRUE(encoder_->Append(shape, codes, &stored).ok());
      ASSERT_EQ(stored[2], 3);
      stored.erase(stored.begin(), stored.begin() + 3);
      if (is_first) {
        expected = stored;
        is_first = false;
      }
      ASSERT_TRUE(AsStringView(stored) == AsStringView(expected));
      // Of the exact size, so that the sanitizers see a byte too much.
      const std::unique_ptr<uint8_t[]> copy(new uint8_t[stored.size()]);
      std::copy(stored.begin(), stored.end(), copy.get());
      const std::unique_ptr<int8_t[]> decoded(new int8_t[codes.size()]);
      std::fill_n(decoded.get(), codes.size(), 0x5A);
      const absl::Status status = decoder_->Decode(
          shape, {copy.get(), stored.size()}, {decoded.get(), codes.size()});
      ASSERT_TRUE(status.ok()) << status;
      ASSERT_TRUE(std::equal(codes.begin(), codes.end(), decoded.get()));
    });
    return expected;
  }

 private:
  // Used for all chunks of a test, so that what one leaves behind would show in
  // the next.
  const std::unique_ptr<CodesEncoder> encoder_ = GetParam()->make_encoder();
  const std::unique_ptr<CodesDecoder> decoder_ = GetParam()->make_decoder();
};

TEST_P(Int8CoderTest, EveryLength) {
  const std::vector<int8_t> codes =
      GaussianCodes(CodesShape(1, 3000), 30, 0, 1);
  for (uint32_t length = 1; length < 300; ++length) {
    CheckRoundTrip(CodesShape(1, length), std::span(codes).first(length));
  }
  for (const uint32_t length : {1023, 1024, 1025, 2047, 2048, 2112, 3000}) {
    CheckRoundTrip(CodesShape(length, 1), std::span(codes).first(length));
  }
}

TEST_P(Int8CoderTest, OddShapes) {
  const std::pair<uint32_t, uint32_t> shapes[] = {
      {2, 1},    {31, 33}, {32, 32},  {33, 31},  {63, 65},   {64, 64},
      {97, 101}, {257, 7}, {7, 1031}, {40, 300}, {1000, 33}, {33, 1000}};
  uint64_t seed = 0;
  for (const auto& [rows, columns] : shapes) {
    SCOPED_TRACE(std::to_string(rows) + "x" + std::to_string(columns));
    const ChunkShape shape = CodesShape(rows, columns);
    CheckRoundTrip(shape, GaussianCodes(shape, 25, 0.5, ++seed));
  }
}

TEST_P(Int8CoderTest, OddDistributions) {
  for (const auto& [rows, columns] :
       {std::pair(1u, 1u), {1u, 64u}, {10u, 100u}, {64u, 80u}}) {
    const ChunkShape shape = CodesShape(rows, columns);
    for (const NamedCodes& odd : OddCodes(shape.weight_count())) {
      SCOPED_TRACE(odd.name);
      CheckRoundTrip(shape, odd.codes);
    }
  }
}

TEST_P(Int8CoderTest, RandomShapesAndDistributions) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 200; ++round) {
    const ChunkShape shape =
        CodesShape(1 + static_cast<uint32_t>(random() % 90),
                   1 + static_cast<uint32_t>(random() % 90));
    const double deviation = std::exp2(static_cast<double>(random() % 80) / 10);
    const double spread = static_cast<double>(random() % 15) / 10;
    std::vector<int8_t> codes =
        GaussianCodes(shape, deviation, spread, random());
    if (round % 4 == 0) {
      codes[random() % codes.size()] = static_cast<int8_t>(random());
    }
    SCOPED_TRACE(round);
    ASSERT_NO_FATAL_FAILURE(CheckRoundTrip(shape, codes));
  }
}

TEST_P(Int8CoderTest, ALargeChunk) {
  const ChunkShape shape = CodesShape(512, 768);
  const std::vector<int8_t> codes = GaussianCodes(shape, 28, 0.3, 6);
  const ByteVector stored = CheckRoundTrip(shape, codes);
  EXPECT_LT(stored.size(), codes.size() * 15 / 16);
}

TEST_P(Int8CoderTest, TruncationAndExtraBytesAreAnError) {
  const ChunkShape shape = CodesShape(40, 70);
  const std::vector<int8_t> codes = GaussianCodes(shape, 20, 0.8, 7);
  ByteVector stored = CheckRoundTrip(shape, codes);
  std::vector<int8_t> decoded(codes.size());
  const std::unique_ptr<CodesDecoder> decoder = GetParam()->make_decoder();
  stored.push_back(0);
  EXPECT_EQ(decoder->Decode(shape, stored, decoded).code(),
            absl::StatusCode::kDataLoss);
  stored.pop_back();
  while (!stored.empty()) {
    stored.pop_back();
    ASSERT_EQ(decoder->Decode(shape, stored, decoded).code(),
              absl::StatusCode::kDataLoss)
        << stored.size();
  }
}

INSTANTIATE_TEST_SUITE_P(All, Int8CoderTest,
                         testing::ValuesIn(Int8Coders().begin(),
                                           Int8Coders().end()),
                         [](const auto& entry) {
                           return std::string(entry.param->name);
                         });

ByteVector EncodeBlob(const ChunkShape& shape, Int8Coder coder,
                      std::span<const int8_t> codes) {
  Int8Encoder encoder;
  ByteVector blob;
  const std::vector<float> scales(shape.scale_count(), 0.01f);
  EXPECT_TRUE(encoder.Encode(shape, coder, codes, scales, &blob).ok());
  return blob;
}

Int8Coder CoderOf(const ByteVector& blob) {
  return static_cast<Int8Coder>(blob.at(9));
}

TEST(Int8BlobCoderTest, NamesTheCoderAndIsSmallerWhenSliced) {
  const ChunkShape shape = CodesShape(512, 768);
  const std::vector<int8_t> even = GaussianCodes(shape, 28, 0, 8);
  const std::vector<int8_t> uneven = GaussianCodes(shape, 24, 0.3, 9);
  const auto sizes = [&](std::span<const int8_t> codes) {
    const ByteVector zstd = EncodeBlob(shape, Int8Coder::kZstd, codes);
    const ByteVector sliced = EncodeBlob(shape, Int8Coder::kSliced, codes);
    EXPECT_EQ(CoderOf(zstd), Int8Coder::kZstd);
    EXPECT_EQ(CoderOf(sliced), Int8Coder::kSliced);
    return std::pair(zstd.size(), sliced.size());
  };
  const auto [even_zstd, even_sliced] = sizes(even);
  EXPECT_LE(even_sliced, even_zstd);
  // 0.08 bits, of the 0.12 that rows and columns so far apart are worth.
  const auto [uneven_zstd, uneven_sliced] = sizes(uneven);
  EXPECT_LT(uneven_sliced + uneven.size() / 100, uneven_zstd);
}

TEST(Int8BlobCoderTest, NeverLargerThanZstdNorMuchLargerThanTheCodes) {
  for (const auto& [rows, columns] :
       {std::pair(1u, 1u), {1u, 63u}, {1u, 64u}, {2u, 150u}, {64u, 256u}}) {
    const ChunkShape shape = CodesShape(rows, columns);
    for (const NamedCodes& odd : OddCodes(shape.weight_count())) {
      SCOPED_TRACE(odd.name);
      const size_t zstd = EncodeBlob(shape, Int8Coder::kZstd, odd.codes).size();
      const size_t sliced =
          EncodeBlob(shape, Int8Coder::kSliced, odd.codes).size();
      // Repeats are for those who ask for zstd.
      if (odd.name != "every value in turn") {
        EXPECT_LE(sliced, zstd);
      }
      // 28 bytes of header, the scales' planes, and what zstd adds.
      EXPECT_LE(sliced, odd.codes.size() + 28 + 4 * (4 + rows) + 12);
    }
  }
}

TEST(Int8BlobCoderTest, RefusesUnknownCoders) {
  const ChunkShape shape = CodesShape(2, 8);
  const std::vector<int8_t> codes(16);
  const std::vector<float> scales(2, 1.0f);
  Int8Encoder encoder;
  ByteVector blob;
  const absl::Status status =
      encoder.Encode(shape, static_cast<Int8Coder>(7), codes, scales, &blob);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("7"));
  ASSERT_TRUE(
      encoder.Encode(shape, Int8Coder::kZstd, codes, scales, &blob).ok());
  Int8Decoder decoder;
  std::vector<int8_t> decoded(16);
  std::vector<float> decoded_scales(2);
  const auto decode = [&] {
    return decoder.Decode(shape, blob, decoded, decoded_scales);
  };
  EXPECT_TRUE(decode().ok());
  for (const uint8_t number : {0, 3, 255}) {
    blob[9] = number;
    EXPECT_EQ(decode().code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(decode().message()),
                testing::HasSubstr("unknown coder"));
  }
  // The other coder's bytes.
  blob[9] = static_cast<uint8_t>(Int8Coder::kSliced);
  EXPECT_EQ(decode().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace qstore::codec
