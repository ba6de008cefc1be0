#include "codec/residual/sparse_subgroups.h"

#include "gtest/gtest.h"
#include "tests/codec/sample_weights.h"

namespace qstore::codec {
namespace {

TEST(SparseSubgroupsTest, CodeZerosRoundTrip) {
  ZstdEncoder encoder;
  ZstdDecoder decoder;
  ByteVector scratch;
  ByteVector blob;
  for (const FloatFormat format : kAllFormats) {
    for (const size_t count : {1, 3, 1000, 70000}) {
      const ByteVector values = RandomBytes(count * FloatBytes(format), count);
      ASSERT_TRUE(
          EncodeCodeZeros(format, values, &encoder, &scratch, &blob).ok());
      ByteVector decoded(values.size());
      const absl::Status status =
          DecodeCodeZeros(format, blob, &decoder, &scratch, decoded);
      ASSERT_TRUE(status.ok()) << status;
      EXPECT_EQ(decoded, values);
      blob.push_back(0);
      EXPECT_EQ(
          DecodeCodeZeros(format, blob, &decoder, &scratch, decoded).code(),
          absl::StatusCode::kDataLoss);
    }
  }
}

TEST(SparseSubgroupsTest, ExceptionsRoundTrip) {
  ZstdEncoder encoder;
  ZstdDecoder decoder;
  ByteVector scratch;
  ByteVector blob;
  std::vector<uint32_t> positions;
  const std::vector<Exception> exceptions = {
      {0, 0x1234}, {1, 0xFFFF}, {400, 0}, {70000, 7}, {kChunkWeights - 1, 9}};
  ASSERT_TRUE(
      EncodeExceptions(FloatFormat::kF16, exceptions, &encoder, &scratch, &blob)
          .ok());
  ByteVector weights(kChunkWeights * 2);
  ASSERT_TRUE(ApplyExceptions(FloatFormat::kF16, blob, exceptions.size(),
                              kChunkWeights, &decoder, &scratch, &positions,
                              weights)
                  .ok());
  for (const Exception& exception : exceptions) {
    EXPECT_EQ(LoadLittleEndian<uint16_t>(&weights[2 * exception.position]),
              exception.bits);
  }
  // The same blob in a chunk that is one weight shorter.
  EXPECT_EQ(ApplyExceptions(FloatFormat::kF16, blob, exceptions.size(),
                            kChunkWeights - 1, &decoder, &scratch, &positions,
                            weights)
                .code(),
            absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace qstore::codec
