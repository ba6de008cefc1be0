// Encodes a chunk and checks every promise of the codec on it.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "codec/chunk_codec.h"
#include "codec/residual/residual_format.h"
#include "gtest/gtest.h"
#include "tests/codec/kernels/each_kernels.h"

namespace qstore::codec {

inline std::vector<BlobView> Views(const EncodedChunk& chunk) {
  std::vector<BlobView> views;
  for (const EncodedBlob& blob : chunk.residual) {
    views.push_back({blob.subgroup, blob.bytes});
  }
  return views;
}

inline bool SameBytes(const EncodedChunk& a, const EncodedChunk& b) {
  if (a.int8_blob != b.int8_blob || a.residual.size() != b.residual.size() ||
      a.codes_xxh3 != b.codes_xxh3 || a.scales_xxh3 != b.scales_xxh3) {
    return false;
  }
  for (size_t i = 0; i < a.residual.size(); ++i) {
    if (a.residual[i].subgroup != b.residual[i].subgroup ||
        a.residual[i].bytes != b.residual[i].bytes) {
      return false;
    }
  }
  return true;
}

inline uint64_t ResidualBytes(const EncodedChunk& chunk) {
  uint64_t bytes = 0;
  for (const EncodedBlob& blob : chunk.residual) {
    bytes += blob.bytes.size();
  }
  return bytes;
}

// Decodes both precisions and compares hashes and bytes.
inline void CheckDecodes(const ChunkShape& shape, const EncodedChunk& chunk,
                         ByteView weights, ChunkDecoder* decoder) {
  std::vector<int8_t> codes(shape.weight_count());
  std::vector<float> scales(shape.scale_count());
  absl::Status status =
      decoder->DecodeInt8(shape, chunk.int8_blob, codes, scales);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(
      Xxh3({reinterpret_cast<const uint8_t*>(codes.data()), codes.size()}),
      chunk.codes_xxh3);
  EXPECT_EQ(Xxh3({reinterpret_cast<const uint8_t*>(scales.data()),
                  scales.size() * sizeof(float)}),
            chunk.scales_xxh3);
  ByteVector decoded(weights.size(), 0xA5);
  status =
      decoder->DecodeWeights(shape, chunk.int8_blob, Views(chunk), decoded);
  ASSERT_TRUE(status.ok()) << status;
  ASSERT_TRUE(AsStringView(decoded) == AsStringView(weights));
}

// Encodes with every kernel; all must agree. `codes` and `scales` are given, or
// empty to let the encoder quantize. Returns the chunk.
inline EncodedChunk CheckRoundTripWith(ChunkEncoder* encoder,
                                       const ChunkShape& shape,
                                       ByteView weights,
                                       std::span<const int8_t> codes,
                                       std::span<const float> scales) {
  static ChunkDecoder decoder;
  EncodedChunk expected;
  ForEachKernels([&] {
    EncodedChunk chunk;
    const absl::Status status =
        codes.empty()
            ? encoder->Encode(shape, weights, &chunk)
            : encoder->EncodePair(shape, weights, codes, scales, &chunk);
    ASSERT_TRUE(status.ok()) << status;
    if (expected.residual.empty()) {
      expected = chunk;
    }
    ASSERT_TRUE(SameBytes(chunk, expected));
    for (size_t i = 0; i < chunk.residual.size(); ++i) {
      EXPECT_FALSE(chunk.residual[i].bytes.empty());
      if (i > 0) {
        EXPECT_LT(chunk.residual[i - 1].subgroup, chunk.residual[i].subgroup);
      }
    }
    CheckDecodes(shape, chunk, weights, &decoder);
  });
  return expected;
}

// With every coder of the codes. Returns the chunk of the default one.
inline EncodedChunk CheckRoundTrip(const ChunkShape& shape, ByteView weights,
                                   std::span<const int8_t> codes = {},
                                   std::span<const float> scales = {}) {
  // Used for all chunks of a test binary, so that what one leaves behind would
  // show in the next.
  static ChunkEncoder encoder{EncodeOptions()};
  static ChunkEncoder sliced_encoder{{.coder = Int8Coder::kSliced}};
  CheckRoundTripWith(&sliced_encoder, shape, weights, codes, scales);
  return CheckRoundTripWith(&encoder, shape, weights, codes, scales);
}

inline ResidualMode ModeOf(const EncodedChunk& chunk) {
  return static_cast<ResidualMode>(chunk.residual.at(0).bytes.at(1));
}

inline double ResidualBits(const ChunkShape& shape, const EncodedChunk& chunk) {
  return static_cast<double>(ResidualBytes(chunk)) * 8 /
         static_cast<double>(shape.weight_count());
}

}  // namespace qstore::codec
