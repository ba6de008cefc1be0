#include "server/download/value_message.h"

#include <grpcpp/impl/codegen/proto_utils.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace qstore::server {
namespace {

std::shared_ptr<const CountedValue> Value(
    const std::shared_ptr<std::string>& owner,
    const std::shared_ptr<PinnedBytesGauge>& gauge) {
  return std::make_shared<const CountedValue>(
      storage::PinnedValue(AsBytes(*owner), owner), gauge);
}

v1::DownloadResponse Parse(grpc::ByteBuffer message) {
  v1::DownloadResponse response;
  EXPECT_TRUE(grpc::SerializationTraits<v1::DownloadResponse>::Deserialize(
                  &message, &response)
                  .ok());
  return response;
}

TEST(BlobMessage, IsWhatTheGeneratedClassWrites) {
  const auto gauge = std::make_shared<PinnedBytesGauge>();
  const auto owner = std::make_shared<std::string>(300'000, 'x');
  (*owner)[150'000] = 'y';
  constexpr uint32_t kMax32 = std::numeric_limits<uint32_t>::max();
  const BlobPosition positions[] = {
      {0, 0, 0}, {1, 2, 3}, {127, 128, 16'384}, {~uint64_t{0}, kMax32, kMax32}};
  for (const BlobPosition& position : positions) {
    for (const auto& [offset, size] : std::vector<std::pair<size_t, size_t>>{
             {0, 1}, {0, 127}, {5, 128}, {0, 300'000}, {149'999, 3}}) {
      grpc::ByteBuffer message =
          BlobMessage(position, Value(owner, gauge), offset, size);
      v1::DownloadResponse expected;
      v1::BlobPart* part = expected.mutable_blob();
      part->set_object_index(position.object_index);
      part->set_chunk_index(position.chunk_index);
      part->set_blob_index(position.blob_index);
      part->set_offset_bytes(offset);
      part->set_payload(owner->substr(offset, size));

      std::vector<grpc::Slice> slices;
      ASSERT_TRUE(message.Dump(&slices).ok());
      std::string bytes;
      for (const grpc::Slice& slice : slices) {
        bytes.append(slice.begin(), slice.end());
      }
      EXPECT_EQ(bytes, expected.SerializeAsString());
      EXPECT_EQ(Parse(message).SerializeAsString(),
                expected.SerializeAsString());
    }
  }
}

TEST(BlobMessage, PayloadIsTheStoredValueItself) {
  const auto gauge = std::make_shared<PinnedBytesGauge>();
  auto owner = std::make_shared<std::string>(5000, 'x');
  const std::weak_ptr<std::string> watch = owner;
  const auto* first = reinterpret_cast<const uint8_t*>(owner->data());
  auto value = Value(owner, gauge);
  owner.reset();
  grpc::ByteBuffer first_part = BlobMessage({1, 2, 3}, value, 0, 2000);
  grpc::ByteBuffer second_part = BlobMessage({1, 2, 3}, value, 2000, 3000);
  value.reset();
  {
    std::vector<grpc::Slice> slices;
    ASSERT_TRUE(first_part.Dump(&slices).ok());
    ASSERT_EQ(slices.size(), 2u);
    EXPECT_EQ(slices[1].begin(), first);
    EXPECT_EQ(slices[1].size(), 2000u);
    slices.clear();
    ASSERT_TRUE(second_part.Dump(&slices).ok());
    EXPECT_EQ(slices[1].begin(), first + 2000);
  }
  // Counted once, and pinned until the last message is gone.
  EXPECT_EQ(gauge->bytes(), 5000u);
  first_part.Clear();
  EXPECT_FALSE(watch.expired());
  EXPECT_FALSE(gauge->WaitUntilZero(std::chrono::steady_clock::now()));
  second_part.Clear();
  EXPECT_TRUE(watch.expired());
  EXPECT_EQ(gauge->bytes(), 0u);
  EXPECT_TRUE(gauge->WaitUntilZero(std::chrono::steady_clock::now()));
}

}  // namespace
}  // namespace qstore::server
