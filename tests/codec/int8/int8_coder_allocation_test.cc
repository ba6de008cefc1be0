// Coders keep their memory from chunk to chunk. A binary of its own, since it
// counts what operator new gives out.
#include <atomic>
#include <cstdlib>
#include <new>

#include "codec/int8/int8_coder.h"
#include "gtest/gtest.h"
#include "tests/codec/int8/sample_codes.h"

namespace {
std::atomic<uint64_t> allocation_count = 0;
}  // namespace

// Inlined, gcc takes the pairs of malloc and delete in it for mistakes.
[[gnu::noinline]] void* operator new(size_t size_bytes) {
  ++allocation_count;
  void* memory = std::malloc(size_bytes);
  if (memory == nullptr) {
    std::abort();
  }
  return memory;
}
// GoogleTest sorts with what this one gives out, and deletes it as the others.
[[gnu::noinline]] void* operator new(size_t size_bytes,
                                     const std::nothrow_t& /*tag*/) noexcept {
  return operator new(size_bytes);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory,
                                       size_t /*size_bytes*/) noexcept {
  std::free(memory);
}

namespace qstore::codec {
namespace {

TEST(Int8CoderAllocationTest, NoneAfterTheFirstChunk) {
  const ChunkShape shape = CodesShape(300, 700);
  const std::vector<int8_t> codes = GaussianCodes(shape, 25, 0.3, 1);
  const ChunkShape smaller_shape = CodesShape(299, 650);
  const std::vector<int8_t> smaller = GaussianCodes(smaller_shape, 15, 0.3, 2);
  for (const Int8CoderEntry* entry : Int8Coders()) {
    SCOPED_TRACE(entry->name);
    const std::unique_ptr<CodesEncoder> encoder = entry->make_encoder();
    const std::unique_ptr<CodesDecoder> decoder = entry->make_decoder();
    std::vector<int8_t> decoded(codes.size());
    ByteVector stored;
    const auto run = [&](const ChunkShape& s, std::span<const int8_t> c) {
      stored.clear();
      return encoder->Append(s, c, &stored).ok() &&
             decoder->Decode(s, stored, std::span(decoded).first(c.size()))
                 .ok();
    };
    ASSERT_TRUE(run(shape, codes));
    const uint64_t before = allocation_count;
    ASSERT_GT(before, 0u);
    const bool all_ran = run(smaller_shape, smaller) && run(shape, codes);
    EXPECT_EQ(allocation_count - before, 0u);
    EXPECT_TRUE(all_ran);
  }
}

}  // namespace
}  // namespace qstore::codec
