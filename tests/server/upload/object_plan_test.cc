#include "server/upload/object_plan.h"

#include <gtest/gtest.h>

#include <set>

namespace qstore::server {
namespace {

constexpr codec::Int8Coder kZstd = codec::Int8Coder::kZstd;

TensorEntry EntryOf(Dtype dtype, std::vector<uint64_t> shape,
                    uint64_t size_bytes) {
  return {"t.weight", dtype, std::move(shape), 0, size_bytes};
}

ObjectPlan PlanQuantized(Dtype dtype, std::vector<uint64_t> shape,
                         uint64_t size_bytes, codec::Int8Coder coder = kZstd) {
  return PlanQuantizedTensor("", EntryOf(dtype, std::move(shape), size_bytes),
                             codec::DefaultQuantizer(), coder);
}

std::string HashOf(const ObjectPlan& plan, const std::string& raw) {
  ContentHasher hasher(plan);
  for (uint64_t i = 0; i < raw.size(); i += plan.chunk_raw_bytes) {
    const std::string chunk = raw.substr(i, plan.chunk_raw_bytes);
    hasher.AddChunk(chunk.size(), Sha256Of(AsBytes(chunk)));
  }
  return HexEncode(hasher.Finish());
}

// docs/format.md, "Content hash": the bytes are spelled out here, so that a
// change of the definition cannot pass unseen.
class HashedBytes {
 public:
  HashedBytes& U32(uint32_t value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }
  HashedBytes& U64(uint64_t value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }
  HashedBytes& Text(const std::string& text) {
    bytes_ += text;
    return *this;
  }
  HashedBytes& ChunkOf(const std::string& raw) {
    U64(raw.size());
    return Text(std::string(AsStringView(Sha256Of(AsBytes(raw)))));
  }
  size_t size() const { return bytes_.size(); }
  std::string Hash() const { return HexEncode(Sha256Of(AsBytes(bytes_))); }

 private:
  std::string bytes_;
};

// The document has this example.
TEST(ContentHash, IsTheHashOfTheDocumentedBytes) {
  const std::string raw = "abcdefghijkl";
  HashedBytes bytes;
  bytes.U32(15).Text("qstore object 1");
  bytes.U32(1);  // quantized
  bytes.U32(9);  // BF16
  bytes.U32(2);  // dimensions
  bytes.U64(2).U64(3);
  bytes.U64(12);  // raw bytes
  bytes.U32(6).Text("absmax");
  bytes.U32(1);  // version of absmax
  bytes.U32(2);  // one scale per channel
  bytes.U32(0);  // group size
  bytes.U32(1);  // zstd
  bytes.U64(1);  // chunks
  bytes.ChunkOf(raw);
  EXPECT_EQ(bytes.size(), 129u);
  EXPECT_EQ(HashOf(PlanQuantized(Dtype::kBF16, {2, 3}, 12), raw), bytes.Hash());
}

TEST(ContentHash, OfWhatIsNotQuantized) {
  const std::string raw = "abcdefghijkl";
  const auto without_quantization = [&](HashedBytes& bytes) {
    bytes.U64(12);                     // raw bytes
    bytes.U32(0).U32(0);               // quantizer and its version
    bytes.U32(0).U32(0).U32(0);        // strategy, group size, coder
    return bytes.U64(1).ChunkOf(raw);  // chunks
  };
  HashedBytes plain;
  plain.U32(15).Text("qstore object 1").U32(2).U32(14).U32(1).U64(3);
  HashedBytes opaque;
  opaque.U32(15).Text("qstore object 1").U32(3).U32(0).U32(0);
  EXPECT_EQ(HashOf(PlanPlainTensor("", EntryOf(Dtype::kI64, {3}, 12)), raw),
            without_quantization(plain).Hash());
  EXPECT_EQ(HashOf(PlanOpaque("", 12), raw),
            without_quantization(opaque).Hash());
}

TEST(ContentHash, DiffersByEverythingThatMatters) {
  const std::string raw = "abcdefghijkl";
  const std::set<std::string> hashes = {
      HashOf(PlanQuantized(Dtype::kBF16, {2, 3}, 12), raw),
      HashOf(PlanQuantized(Dtype::kBF16, {2, 3}, 12, codec::Int8Coder::kSliced),
             raw),
      HashOf(PlanQuantized(Dtype::kBF16, {3, 2}, 12), raw),
      HashOf(PlanQuantized(Dtype::kF16, {2, 3}, 12), raw),
      HashOf(PlanPlainTensor("", EntryOf(Dtype::kBF16, {2, 3}, 12)), raw),
      HashOf(PlanPlainTensor("", EntryOf(Dtype::kBF16, {6}, 12)), raw),
      HashOf(PlanOpaque("", 12), raw),
      HashOf(PlanOpaque("", 12), "abcdefghijkm"),
      HashOf(PlanOpaque("", 11), "abcdefghijk"),
  };
  EXPECT_EQ(hashes.size(), 9u);
  EXPECT_EQ(HashOf(PlanOpaque("a", 12), raw), HashOf(PlanOpaque("b", 12), raw));
}

TEST(ObjectPlan, Chunks) {
  const ObjectPlan small = PlanQuantized(Dtype::kF32, {10, 1000}, 40'000);
  EXPECT_EQ(small.row_bytes(), 4000u);
  EXPECT_EQ(small.chunk_count(), 1u);
  const uint64_t rows = 10'000;
  const ObjectPlan large =
      PlanQuantized(Dtype::kBF16, {rows, 1000}, rows * 2000);
  EXPECT_EQ(large.chunk_raw_bytes % large.row_bytes(), 0u);
  EXPECT_LE(large.chunk_raw_bytes, codec::kChunkWeights * 2);
  EXPECT_EQ(large.chunk_count(), 3u);
  EXPECT_EQ(PlanOpaque("", 8u << 20).chunk_count(), 1u);
  EXPECT_EQ(PlanOpaque("", (8u << 20) + 1).chunk_count(), 2u);
  EXPECT_EQ(PlanPlainTensor("", EntryOf(Dtype::kF32, {0}, 0)).chunk_count(),
            0u);
}

}  // namespace
}  // namespace qstore::server
