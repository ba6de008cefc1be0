#include "codec/plain/plain_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <random>
#include <string>
#include <vector>

#include "codec/chunk.h"

namespace qstore::codec {
namespace {

using ::testing::HasSubstr;

constexpr PlainLayout kLayouts[] = {
    PlainLayout::kBytes,   PlainLayout::kPlanes2, PlainLayout::kPlanes4,
    PlainLayout::kPlanes8, PlainLayout::kFloat16, PlainLayout::kBFloat16,
    PlainLayout::kFloat32,
};

ByteVector MustEncode(PlainLayout layout, ByteView raw) {
  PlainCodec codec;
  ByteVector blob;
  const absl::Status status = codec.Encode(layout, raw, &blob);
  EXPECT_TRUE(status.ok()) << status;
  return blob;
}

void ExpectDecodes(ByteView blob, ByteView expected) {
  PlainCodec codec;
  ByteVector raw(expected.size());
  const absl::Status status = codec.Decode(blob, raw);
  ASSERT_TRUE(status.ok()) << status;
  // Not EXPECT_EQ: it would print megabytes.
  EXPECT_TRUE(AsStringView(raw) == AsStringView(expected));
}

void ExpectDataLoss(ByteView blob, size_t raw_bytes,
                    const std::string& reason) {
  PlainCodec codec;
  ByteVector raw(raw_bytes);
  const absl::Status status = codec.Decode(blob, raw);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(reason));
}

// Bytes as they occur in each layout: weights near zero, so that exponents are
// skewed.
ByteVector Weights(PlainLayout layout, size_t size_bytes, uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0, 0.04F);
  ByteVector raw(size_bytes);
  const size_t element_bytes = PlainElementBytes(layout);
  for (size_t i = 0; i + element_bytes <= size_bytes; i += element_bytes) {
    const auto bits = std::bit_cast<uint32_t>(normal(generator));
    if (layout == PlainLayout::kFloat32) {
      StoreLittleEndian(bits, &raw[i]);
    } else if (layout == PlainLayout::kBFloat16 ||
               layout == PlainLayout::kFloat16) {
      StoreLittleEndian(static_cast<uint16_t>(bits >> 16), &raw[i]);
    } else {
      StoreLittleEndian(static_cast<uint8_t>(bits >> 20), &raw[i]);
    }
  }
  return raw;
}

class PlainCodecLayoutTest : public ::testing::TestWithParam<PlainLayout> {};

TEST_P(PlainCodecLayoutTest, RoundTripsEverySmallSize) {
  const size_t element_bytes = PlainElementBytes(GetParam());
  for (size_t count = 0; count <= 300; ++count) {
    const ByteVector raw = Weights(GetParam(), count * element_bytes, 1);
    ExpectDecodes(MustEncode(GetParam(), raw), raw);
  }
}

TEST_P(PlainCodecLayoutTest, RoundTripsLargeOddSizesAndWholeChunks) {
  const size_t element_bytes = PlainElementBytes(GetParam());
  for (const size_t size_bytes :
       {element_bytes * 100'003, static_cast<size_t>(kPlainChunkBytes)}) {
    const ByteVector raw = Weights(GetParam(), size_bytes, 2);
    ExpectDecodes(MustEncode(GetParam(), raw), raw);
  }
}

TEST_P(PlainCodecLayoutTest, RoundTripsAnyBytes) {
  std::mt19937_64 generator(3);
  ByteVector raw(80'000);
  for (uint8_t& byte : raw) byte = static_cast<uint8_t>(generator());
  const ByteVector blob = MustEncode(GetParam(), raw);
  ExpectDecodes(blob, raw);
  // Noise is stored raw: the header is all that it costs.
  EXPECT_EQ(blob.size(), raw.size() + 6 + 5 * PlainElementBytes(GetParam()));
}

TEST_P(PlainCodecLayoutTest, UnalignedBuffersAreFine) {
  const size_t size_bytes = 1000 * PlainElementBytes(GetParam());
  const ByteVector raw = Weights(GetParam(), size_bytes + 1, 4);
  const ByteView unaligned = ByteView(raw).subspan(1, size_bytes);
  const ByteVector blob = MustEncode(GetParam(), unaligned);
  ByteVector shifted_blob(1);
  shifted_blob.insert(shifted_blob.end(), blob.begin(), blob.end());
  PlainCodec codec;
  ByteVector decoded(size_bytes + 1);
  ASSERT_TRUE(codec
                  .Decode(ByteView(shifted_blob).subspan(1),
                          MutableByteView(decoded).subspan(1))
                  .ok());
  EXPECT_EQ(AsStringView(ByteView(decoded).subspan(1)),
            AsStringView(unaligned));
}

TEST_P(PlainCodecLayoutTest, ConstantsTakeNextToNothing) {
  const ByteVector raw(1 << 20, 0);
  const ByteVector blob = MustEncode(GetParam(), raw);
  EXPECT_LT(blob.size(), 1000u);
  ExpectDecodes(blob, raw);
}

TEST_P(PlainCodecLayoutTest, EncodesTheSameBytesEveryTime) {
  const ByteVector raw =
      Weights(GetParam(), 50'000 * PlainElementBytes(GetParam()), 5);
  const ByteVector first = MustEncode(GetParam(), raw);
  // Neither what a codec coded before nor what lay in the output matters.
  PlainCodec codec;
  ByteVector blob(12345, 0xAA);
  for (const PlainLayout other : kLayouts) {
    ASSERT_TRUE(codec.Encode(other, Weights(other, 800'000, 6), &blob).ok());
  }
  ASSERT_TRUE(codec.Encode(GetParam(), raw, &blob).ok());
  EXPECT_TRUE(blob == first);
}

TEST_P(PlainCodecLayoutTest, RefusesEveryTruncation) {
  const ByteVector raw =
      Weights(GetParam(), 64 * PlainElementBytes(GetParam()), 7);
  const ByteVector blob = MustEncode(GetParam(), raw);
  for (size_t size = 0; size < blob.size(); ++size) {
    ExpectDataLoss(ByteView(blob).first(size), raw.size(), "plain blob: ");
  }
}

TEST_P(PlainCodecLayoutTest, RefusesTruncationWithinCompressedPlanes) {
  const ByteVector raw =
      Weights(GetParam(), 4096 * PlainElementBytes(GetParam()), 8);
  const ByteVector blob = MustEncode(GetParam(), raw);
  for (size_t size = 0; size < blob.size(); size += 13) {
    ExpectDataLoss(ByteView(blob).first(size), raw.size(), "plain blob: ");
  }
}

TEST_P(PlainCodecLayoutTest, SurvivesEveryChangedByte) {
  const ByteVector raw =
      Weights(GetParam(), 64 * PlainElementBytes(GetParam()), 9);
  ByteVector blob = MustEncode(GetParam(), raw);
  PlainCodec codec;
  ByteVector decoded(raw.size());
  for (size_t i = 0; i < blob.size(); ++i) {
    for (int flip = 1; flip < 256; flip += 2) {
      blob[i] ^= static_cast<uint8_t>(flip);
      const absl::Status status = codec.Decode(blob, decoded);
      EXPECT_TRUE(status.ok() || status.code() == absl::StatusCode::kDataLoss);
      blob[i] ^= static_cast<uint8_t>(flip);
    }
  }
  ExpectDecodes(blob, raw);
}

TEST_P(PlainCodecLayoutTest, RefusesWrongDecodedSizes) {
  const ByteVector raw =
      Weights(GetParam(), 64 * PlainElementBytes(GetParam()), 10);
  const ByteVector blob = MustEncode(GetParam(), raw);
  for (const size_t wrong : {size_t{0}, raw.size() - 1, raw.size() + 1,
                             raw.size() * 2, size_t{10'000'000}}) {
    ExpectDataLoss(blob, wrong, "raw bytes, but ");
  }
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, PlainCodecLayoutTest, ::testing::ValuesIn(kLayouts),
    [](const ::testing::TestParamInfo<PlainLayout>& layout) {
      return std::to_string(static_cast<int>(layout.param));
    });

// Every element value of the two-byte formats, NaN payloads and both zeros
// among them.
TEST(PlainCodecTest, EveryTwoByteValueRoundTrips) {
  ByteVector raw(2 << 16);
  for (uint32_t bits = 0; bits < 1 << 16; ++bits) {
    StoreLittleEndian(static_cast<uint16_t>(bits), &raw[size_t{2} * bits]);
  }
  for (const PlainLayout layout :
       {PlainLayout::kPlanes2, PlainLayout::kFloat16, PlainLayout::kBFloat16}) {
    ExpectDecodes(MustEncode(layout, raw), raw);
  }
}

TEST(PlainCodecTest, BFloat16WeightsTakeTwoThirds) {
  const ByteVector raw = Weights(PlainLayout::kBFloat16, 4 << 20, 11);
  const ByteVector blob = MustEncode(PlainLayout::kBFloat16, raw);
  EXPECT_LT(static_cast<double>(blob.size()),
            0.67 * static_cast<double>(raw.size()));
}

// The sign alone is in a plane of its own, as bits.
TEST(PlainCodecTest, Float32FromBFloat16TakesNoMoreThanBFloat16) {
  const ByteVector bfloat16 = Weights(PlainLayout::kBFloat16, 2 << 20, 12);
  ByteVector float32(2 * bfloat16.size());
  for (size_t i = 0; i < bfloat16.size(); i += 2) {
    float32[2 * i + 2] = bfloat16[i];
    float32[2 * i + 3] = bfloat16[i + 1];
  }
  const ByteVector blob = MustEncode(PlainLayout::kFloat32, float32);
  ExpectDecodes(blob, float32);
  EXPECT_EQ(blob[6], 2);  // plane 0
  EXPECT_LT(static_cast<double>(blob.size()),
            1.01 * static_cast<double>(
                       MustEncode(PlainLayout::kBFloat16, bfloat16).size()));
}

TEST(PlainCodecTest, EveryCountOfBitsRoundTrips) {
  std::mt19937 generator(13);
  for (size_t count = 64; count < 200; ++count) {
    ByteVector raw(count);
    for (uint8_t& byte : raw) byte = generator() % 2;
    const ByteVector blob = MustEncode(PlainLayout::kBytes, raw);
    EXPECT_EQ(blob.size(), 11 + (count + 7) / 8);
    ExpectDecodes(blob, raw);
  }
}

TEST(PlainCodecTest, RefusesInputThatIsNotAChunk) {
  PlainCodec codec;
  ByteVector blob;
  EXPECT_EQ(codec.Encode(PlainLayout::kFloat32, ByteVector(6), &blob).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(
      codec.Encode(PlainLayout::kBytes, ByteVector(kPlainChunkBytes + 1), &blob)
          .code(),
      absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(codec.Encode(static_cast<PlainLayout>(0), {}, &blob).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(codec.Encode(static_cast<PlainLayout>(8), {}, &blob).code(),
            absl::StatusCode::kInvalidArgument);
}

// The worked example of docs/format.md. Two BF16 elements, 1.0 and -2.0:
// 0x3F80 and 0xC000, rotated 0x7F00 and 0x8001.
const ByteVector kGoldenRaw = {0x80, 0x3F, 0x00, 0xC0};
const ByteVector kGoldenBlob = {
    0x01,                          // format version
    0x06,                          // layout: BF16
    0x04, 0x00, 0x00, 0x00,        // raw bytes
    0x00, 0x02, 0x00, 0x00, 0x00,  // plane 0: raw, 2 bytes
    0x00, 0x02, 0x00, 0x00, 0x00,  // plane 1: likewise
    0x00, 0x01,                    // low bytes
    0x7F, 0x80,                    // exponents
};

TEST(PlainCodecTest, GoldenBytes) {
  EXPECT_EQ(MustEncode(PlainLayout::kBFloat16, kGoldenRaw), kGoldenBlob);
  ExpectDecodes(kGoldenBlob, kGoldenRaw);
}

// 64 zero bytes as one zstd frame. Only decoding is checked: libzstd's choices
// differ between its versions, its format does not.
TEST(PlainCodecTest, GoldenCompressedBytes) {
  const ByteVector blob = {
      0x01, 0x01, 0x40, 0x00, 0x00, 0x00,  // version, bytes, 64 raw
      0x01, 0x0A, 0x00, 0x00, 0x00,        // plane 0: zstd, 10 bytes
      0x28, 0xB5, 0x2F, 0xFD,              // zstd: magic number
      0x20, 0x40,                          // one segment of 64 bytes
      0x03, 0x02, 0x00,                    // last block: RLE, 64 times
      0x00,                                // this byte
  };
  ExpectDecodes(blob, ByteVector(64, 0));
}

ByteVector Edited(size_t position, uint8_t value) {
  ByteVector blob = kGoldenBlob;
  blob.at(position) = value;
  return blob;
}

TEST(PlainCodecTest, SaysWhichRuleIsBroken) {
  ExpectDataLoss({}, 4, "it has 0 bytes, fewer than the 6");
  ExpectDataLoss(Edited(0, 2), 4, "format version is 2, not 1");
  ExpectDataLoss(Edited(1, 0), 4, "layout 0 is unknown");
  ExpectDataLoss(Edited(1, 8), 4, "layout 8 is unknown");
  ExpectDataLoss(Edited(2, 5), 4, "it holds 5 raw bytes, but 4 are expected");
  ExpectDataLoss(Edited(2, 3), 3, "no whole number of elements of 2 bytes");
  ExpectDataLoss(Edited(6, 3), 4, "coding 3 of plane 0 is unknown");
  ExpectDataLoss(Edited(6, 2), 4, "plane 0 of bits has 2 bytes, not 1");
  ExpectDataLoss(Edited(7, 1), 4, "raw plane 0 has 1 bytes, not 2");
  ExpectDataLoss(Edited(6, 1), 4, "zstd plane 0 has 2 bytes, no fewer than");
  ExpectDataLoss(ByteView(kGoldenBlob).first(19), 4,
                 "plane 1 has 2 bytes, but only 1 are left");
  ByteVector longer = kGoldenBlob;
  longer.push_back(0);
  ExpectDataLoss(longer, 4, "1 bytes follow its last plane");
}

// A frame that says it is as long as the plane, but is longer or shorter.
TEST(PlainCodecTest, RefusesFramesOfTheWrongLength) {
  const ByteVector zeros(1000, 0);
  ByteVector blob = MustEncode(PlainLayout::kBytes, zeros);
  for (const uint32_t claimed_bytes : {999u, 1001u, 500u, 100'000u}) {
    StoreLittleEndian(claimed_bytes, &blob[2]);
    ExpectDataLoss(blob, claimed_bytes, "plane 0");
  }
}

}  // namespace
}  // namespace qstore::codec
