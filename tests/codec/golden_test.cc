// The stored bytes of format version 1: they must decode for ever, and this
// version must write them.
#include <filesystem>
#include <fstream>
#include <iterator>

#include "gtest/gtest.h"
#include "tests/codec/chunk_file.h"
#include "tests/codec/chunk_round_trip.h"
#include "tests/codec/golden_cases.h"
#include "tests/codec/int8/int8_golden_cases.h"

namespace qstore::codec {
namespace {

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string GoldenFile(const std::string& name, const char* extension) {
  return ReadFile(std::filesystem::path(QSTORE_GOLDEN_DIRECTORY) /
                  (name + extension));
}

TEST(GoldenTest, FilesAreSmallAndAllKnown) {
  size_t files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(QSTORE_GOLDEN_DIRECTORY)) {
    EXPECT_LE(entry.file_size(), 200u) << entry.path();
    ++files;
  }
  EXPECT_EQ(files, GoldenCases().size() + Int8GoldenCases().size());
}

TEST(GoldenTest, FilesDecode) {
  ChunkDecoder decoder;
  for (const GoldenCase& golden : GoldenCases()) {
    SCOPED_TRACE(golden.name);
    const std::string bytes = GoldenFile(golden.name, ".chunk");
    const auto file = ParseChunkFile(AsBytes(bytes));
    ASSERT_TRUE(file.has_value());
    EXPECT_EQ(file->shape, golden.shape);
    const ByteVector expected = golden.Weights();
    EXPECT_TRUE(AsStringView(file->weights) == AsStringView(expected));
    ForEachKernels([&] {
      ByteVector weights(expected.size());
      const absl::Status status = decoder.DecodeWeights(
          file->shape, file->int8_blob, file->residual, weights);
      ASSERT_TRUE(status.ok()) << status;
      EXPECT_EQ(weights, expected);
    });
  }
}

TEST(GoldenTest, EncoderWritesThem) {
  for (const GoldenCase& golden : GoldenCases()) {
    SCOPED_TRACE(golden.name);
    const std::string bytes = GoldenFile(golden.name, ".chunk");
    ForEachKernels([&] {
      EncodedChunk chunk;
      ASSERT_TRUE(golden.Encode(&chunk).ok());
      EXPECT_TRUE(AsStringView(WriteChunkFile(golden.shape, chunk,
                                              golden.Weights())) == bytes);
    });
  }
}

TEST(GoldenTest, Int8FilesDecodeAndAreWritten) {
  ChunkDecoder decoder;
  for (const Int8GoldenCase& golden : Int8GoldenCases()) {
    SCOPED_TRACE(golden.name);
    const std::string bytes = GoldenFile(golden.name, ".int8");
    ASSERT_FALSE(bytes.empty());
    ForEachKernels([&] {
      std::vector<int8_t> codes(golden.codes.size());
      std::vector<float> scales(golden.scales.size());
      const absl::Status status = decoder.DecodeInt8(
          golden.shape, AsBytes(bytes).subspan(8), codes, scales);
      ASSERT_TRUE(status.ok()) << status;
      EXPECT_EQ(codes, golden.codes);
      EXPECT_EQ(scales, golden.scales);
      const ByteVector written = golden.Bytes();
      EXPECT_TRUE(AsStringView(written) == bytes);
    });
  }
}

}  // namespace
}  // namespace qstore::codec
