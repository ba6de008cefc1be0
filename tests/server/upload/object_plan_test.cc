#include "server/upload/object_plan.h"

#include <gtest/gtest.h>

#include <set>

namespace qstore::server {
namespace {

constexpr codec::Int8Coder kZstd = codec::Int8Coder::kZstd;

TensorEntry Tensor(Dtype dtype, std::vector<uint64_t> shape,
                   uint64_t size_bytes) {
  return {"t.weight", dtype, std::move(shape), 0, size_bytes};
}

std::string HashOf(const ObjectPlan& plan, const std::string& raw) {
  ContentHasher hasher(plan);
  for (uint64_t i = 0; i < raw.size(); i += plan.chunk_raw_bytes) {
    const std::string chunk = raw.substr(i, plan.chunk_raw_bytes);
    hasher.AddChunk(chunk.size(), Sha256Of(AsBytes(chunk)));
  }
  return HexEncode(hasher.Finish());
}

// docs/format.md, "Content hash", has this example: the bytes are spelled out
// here, so that a change of the definition cannot pass unseen.
TEST(ContentHash, IsTheHashOfTheDocumentedBytes) {
  std::string bytes;
  const auto u32 = [&](uint32_t v) {
    bytes.append(reinterpret_cast<const char*>(&v), sizeof(v));
  };
  const auto u64 = [&](uint64_t v) {
    bytes.append(reinterpret_cast<const char*>(&v), sizeof(v));
  };
  u32(15);
  bytes += "qstore object 1";
  u32(1);  // quantized
  u32(9);  // BF16
  u32(2);  // dimensions
  u64(2);
  u64(3);
  u64(12);  // raw bytes
  u32(6);
  bytes += "absmax";
  u32(1);  // version of absmax
  u32(2);  // one scale per channel
  u32(0);  // group size
  u32(1);  // zstd
  u64(1);  // chunks
  u64(12);
  const std::string raw = "abcdefghijkl";
  bytes += AsStringView(Sha256Of(AsBytes(raw)));
  EXPECT_EQ(bytes.size(), 129u);
  EXPECT_EQ(
      HashOf(PlanQuantizedTensor("", Tensor(Dtype::kBF16, {2, 3}, 12), kZstd),
             raw),
      HexEncode(Sha256Of(AsBytes(bytes))));
}

TEST(ContentHash, DiffersByEverythingThatMatters) {
  const std::string raw = "abcdefghijkl";
  const std::set<std::string> hashes = {
      HashOf(PlanQuantizedTensor("", Tensor(Dtype::kBF16, {2, 3}, 12), kZstd),
             raw),
      HashOf(PlanQuantizedTensor("", Tensor(Dtype::kBF16, {2, 3}, 12),
                                 codec::Int8Coder::kSliced),
             raw),
      HashOf(PlanQuantizedTensor("", Tensor(Dtype::kBF16, {3, 2}, 12), kZstd),
             raw),
      HashOf(PlanQuantizedTensor("", Tensor(Dtype::kF16, {2, 3}, 12), kZstd),
             raw),
      HashOf(PlanPlainTensor("", Tensor(Dtype::kBF16, {2, 3}, 12)), raw),
      HashOf(PlanPlainTensor("", Tensor(Dtype::kBF16, {6}, 12)), raw),
      HashOf(PlanOpaque("", 12), raw),
      HashOf(PlanOpaque("", 12), "abcdefghijkm"),
      HashOf(PlanOpaque("", 11), "abcdefghijk"),
  };
  EXPECT_EQ(hashes.size(), 9u);
  EXPECT_EQ(HashOf(PlanOpaque("a", 12), raw), HashOf(PlanOpaque("b", 12), raw));
}

TEST(ObjectPlan, Chunks) {
  const ObjectPlan small =
      PlanQuantizedTensor("", Tensor(Dtype::kF32, {10, 1000}, 40'000), kZstd);
  EXPECT_EQ(small.row_bytes(), 4000u);
  EXPECT_EQ(small.chunk_count(), 1u);
  const uint64_t rows = 10'000;
  const ObjectPlan large = PlanQuantizedTensor(
      "", Tensor(Dtype::kBF16, {rows, 1000}, rows * 2000), kZstd);
  EXPECT_EQ(large.chunk_raw_bytes % large.row_bytes(), 0u);
  EXPECT_LE(large.chunk_raw_bytes, codec::kChunkWeights * 2);
  EXPECT_EQ(large.chunk_count(), 3u);
  EXPECT_EQ(PlanOpaque("", 8u << 20).chunk_count(), 1u);
  EXPECT_EQ(PlanOpaque("", (8u << 20) + 1).chunk_count(), 2u);
  EXPECT_EQ(PlanPlainTensor("", Tensor(Dtype::kF32, {0}, 0)).chunk_count(), 0u);
}

}  // namespace
}  // namespace qstore::server
