// Encoders and decoders of several threads share nothing that is written.
#include <thread>
#include <vector>

#include "codec/chunk_codec.h"
#include "gtest/gtest.h"
#include "tests/codec/chunk_round_trip.h"
#include "tests/codec/sample_weights.h"

namespace qstore::codec {
namespace {

// Each thread starts with fresh objects, so that whatever is made at first use
// (dispatch tables, libzstd contexts) is made by all of them at once.
TEST(CodecThreadsTest, EachThreadGetsTheSameBytes) {
  constexpr int kThreads = 4;
  for (const FloatFormat format : kAllFormats) {
    for (const Int8Coder coder : {Int8Coder::kZstd, Int8Coder::kSliced}) {
      const ChunkShape shape = {.format = format, .rows = 33, .columns = 300};
      const ByteVector weights =
          GaussianWeights(format, shape.weight_count(), 17);
      std::vector<EncodedChunk> chunks(kThreads);
      std::vector<ByteVector> decoded(kThreads, ByteVector(weights.size()));
      std::vector<std::thread> threads;
      for (size_t i = 0; i < kThreads; ++i) {
        threads.emplace_back([&, i] {
          ChunkEncoder encoder({.coder = coder});
          ChunkDecoder decoder;
          ASSERT_TRUE(encoder.Encode(shape, weights, &chunks[i]).ok());
          ASSERT_TRUE(decoder
                          .DecodeWeights(shape, chunks[i].int8_blob,
                                         Views(chunks[i]), decoded[i])
                          .ok());
        });
      }
      for (std::thread& thread : threads) {
        thread.join();
      }
      for (size_t i = 0; i < kThreads; ++i) {
        EXPECT_EQ(chunks[i].int8_blob, chunks[0].int8_blob);
        EXPECT_EQ(ResidualBytes(chunks[i]), ResidualBytes(chunks[0]));
        EXPECT_EQ(decoded[i], weights);
      }
    }
  }
}

}  // namespace
}  // namespace qstore::codec
