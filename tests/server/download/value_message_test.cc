#include "server/download/value_message.h"

#include <grpcpp/impl/codegen/proto_utils.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace qstore::server {
namespace {

std::shared_ptr<const CountedValue> Counted(
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

// Where a value belongs.
struct Place {
  uint64_t object_index = 0;
  uint32_t chunk_index = 0;
  uint8_t layer = 0;
  uint8_t subgroup = 0;
  uint16_t value_index = 0;
};

grpc::ByteBuffer MessageOf(const Place& place,
                           std::shared_ptr<const CountedValue> value) {
  model::ValueAddress address;
  address.layer = place.layer;
  address.subgroup = place.subgroup;
  address.value_index = place.value_index;
  address.size_bytes = value->bytes().size();
  return ValueMessage(place.object_index, place.chunk_index, address,
                      std::move(value));
}

TEST(ValueMessage, IsWhatTheGeneratedClassWrites) {
  const auto gauge = std::make_shared<PinnedBytesGauge>();
  constexpr uint32_t kMax32 = std::numeric_limits<uint32_t>::max();
  constexpr uint16_t kMax16 = std::numeric_limits<uint16_t>::max();
  const Place places[] = {{0, 0, 0, 0, 0},
                          {1, 2, 3, 4, 5},
                          {127, 128, 127, 128, 16'384},
                          {~uint64_t{0}, kMax32, 255, 255, kMax16}};
  for (const Place& place : places) {
    for (const size_t size :
         {size_t{1}, size_t{127}, size_t{128}, size_t{16'383}, size_t{300'000},
          size_t{model::kMaxValueBytes}}) {
      const auto owner = std::make_shared<std::string>(size, 'x');
      (*owner)[size / 2] = 'y';
      grpc::ByteBuffer message = MessageOf(place, Counted(owner, gauge));
      v1::DownloadResponse expected;
      v1::Value* value = expected.mutable_value();
      value->set_object_index(place.object_index);
      value->set_chunk_index(place.chunk_index);
      value->set_layer(place.layer);
      value->set_subgroup(place.subgroup);
      value->set_value_index(place.value_index);
      value->set_payload(*owner);

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

TEST(ValueMessage, PayloadIsTheStoredValueItself) {
  const auto gauge = std::make_shared<PinnedBytesGauge>();
  auto owner = std::make_shared<std::string>(5000, 'x');
  const std::weak_ptr<std::string> watch = owner;
  const auto* first = reinterpret_cast<const uint8_t*>(owner->data());
  auto value = Counted(owner, gauge);
  owner.reset();
  grpc::ByteBuffer message = MessageOf({1, 2, 3, 4, 5}, value);
  grpc::ByteBuffer once_more = MessageOf({1, 2, 3, 4, 6}, value);
  value.reset();
  for (const grpc::ByteBuffer* each : {&message, &once_more}) {
    std::vector<grpc::Slice> slices;
    ASSERT_TRUE(each->Dump(&slices).ok());
    ASSERT_EQ(slices.size(), 2u);
    EXPECT_EQ(slices[1].begin(), first);
    EXPECT_EQ(slices[1].size(), 5000u);
  }
  // Counted once, and pinned until the last message is gone.
  EXPECT_EQ(gauge->bytes(), 5000u);
  message.Clear();
  EXPECT_FALSE(watch.expired());
  EXPECT_EQ(gauge->bytes(), 5000u);
  EXPECT_FALSE(gauge->WaitUntilZero(std::chrono::steady_clock::now()));
  once_more.Clear();
  EXPECT_TRUE(watch.expired());
  EXPECT_EQ(gauge->bytes(), 0u);
  EXPECT_TRUE(gauge->WaitUntilZero(std::chrono::steady_clock::now()));
}

TEST(ValueMessage, OtherMessagesAreSerialized) {
  v1::DownloadResponse response;
  response.mutable_end()->mutable_sent()->set_other(7);
  EXPECT_EQ(Parse(SerializedMessage(response)).SerializeAsString(),
            response.SerializeAsString());
}

}  // namespace
}  // namespace qstore::server
