#include "client/download/download_stream.h"

#include <cstdint>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "base/hash.h"
#include "grpcpp/support/slice.h"
#include "gtest/gtest.h"
#include "tests/client/fake_model.h"

namespace qstore::client {
namespace {

// A message as gRPC hands it over, cut into slices of `slice_bytes`.
DownloadEvent EventOf(const std::string& message, size_t slice_bytes) {
  std::vector<grpc::Slice> slices;
  for (size_t offset = 0; offset < message.size(); offset += slice_bytes) {
    slices.emplace_back(message.substr(offset, slice_bytes));
  }
  DownloadEvent event;
  event.buffer = grpc::ByteBuffer(slices.data(), slices.size());
  return event;
}

std::string Joined(const ValueView& value) {
  std::string text;
  for (const ByteView piece : value.pieces) text += AsStringView(piece);
  return text;
}

v1::DownloadResponse ValueResponse(const std::string& payload) {
  v1::DownloadResponse response;
  v1::Value* value = response.mutable_value();
  value->set_object_index(uint64_t{1} << 40);
  value->set_chunk_index(300);
  value->set_layer(2);
  value->set_subgroup(70'000);
  value->set_value_index(uint32_t{1} << 31);
  value->set_payload(payload);
  return response;
}

TEST(ParseDownloadEventTest, SeesPayloadsInPlaceWhateverTheSlices) {
  const std::string payload = std::string(5000, 'p') + "end";
  const std::string message = ValueResponse(payload).SerializeAsString();
  for (const size_t slice_bytes : {1u, 7u, 64u, 4096u, 1u << 20}) {
    DownloadEvent event = EventOf(message, slice_bytes);
    ASSERT_TRUE(ParseDownloadEvent(&event).ok());
    const auto& value = std::get<ValueView>(event.event);
    EXPECT_EQ(value.object_index, uint64_t{1} << 40);
    EXPECT_EQ(value.chunk_index, 300u);
    EXPECT_EQ(value.layer, 2u);
    EXPECT_EQ(value.subgroup, 70'000u);
    EXPECT_EQ(value.value_index, uint32_t{1} << 31);
    EXPECT_EQ(value.payload_bytes(), payload.size());
    EXPECT_EQ(Joined(value), payload);
    EXPECT_EQ(event.message_bytes, message.size());
  }
}

TEST(ParseDownloadEventTest, TakesFieldsInAnyOrderAndUnknownOnes) {
  v1::Value late;
  late.set_object_index(4);
  v1::Value early;
  early.set_payload("xyz");
  const std::string value = early.SerializeAsString() +
                            std::string("\xf8\x07\x05", 3) +
                            late.SerializeAsString();
  // Field 6, length-delimited.
  const std::string message =
      std::string(1, '\x32') + static_cast<char>(value.size()) + value;
  DownloadEvent event = EventOf(message, 4);
  ASSERT_TRUE(ParseDownloadEvent(&event).ok());
  EXPECT_EQ(std::get<ValueView>(event.event).object_index, 4u);
  EXPECT_EQ(Joined(std::get<ValueView>(event.event)), "xyz");
}

TEST(ParseDownloadEventTest, ReadsPagesAndTheEnd) {
  v1::ManifestPage page;
  page.mutable_head()->set_model("org/m");
  v1::DownloadResponse response;
  SetChecked(page, response.mutable_manifest_page());
  DownloadEvent event = EventOf(response.SerializeAsString(), 3);
  ASSERT_TRUE(ParseDownloadEvent(&event).ok());
  EXPECT_EQ(std::get<v1::ManifestPage>(event.event).head().model(), "org/m");
  response.mutable_manifest_page()->set_xxh3(1);
  event = EventOf(response.SerializeAsString(), 3);
  EXPECT_EQ(ParseDownloadEvent(&event).code(), absl::StatusCode::kDataLoss);
  // With a checksum that fits.
  response.mutable_manifest_page()->set_serialized("\xff");
  response.mutable_manifest_page()->set_xxh3(Xxh3(AsBytes("\xff")));
  event = EventOf(response.SerializeAsString(), 3);
  EXPECT_EQ(ParseDownloadEvent(&event).code(), absl::StatusCode::kInternal);

  response.mutable_end()->mutable_sent()->set_other(9);
  event = EventOf(response.SerializeAsString(), 3);
  ASSERT_TRUE(ParseDownloadEvent(&event).ok());
  EXPECT_EQ(std::get<v1::DownloadEnd>(event.event).sent().other(), 9u);
}

TEST(ParseDownloadEventTest, RefusesTwoEventsInOneMessage) {
  const std::string message = ValueResponse("a").SerializeAsString();
  DownloadEvent event = EventOf(message + message, 100);
  EXPECT_FALSE(ParseDownloadEvent(&event).ok());
}

TEST(ParseDownloadEventTest, RefusesTruncatedMessages) {
  const std::string message = ValueResponse("payload").SerializeAsString();
  for (size_t size = 0; size < message.size(); ++size) {
    DownloadEvent event = EventOf(message.substr(0, size), 5);
    EXPECT_FALSE(ParseDownloadEvent(&event).ok()) << size;
  }
}

TEST(ParseDownloadEventTest, SurvivesDamage) {
  const std::string message = ValueResponse("payload").SerializeAsString();
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    std::string damaged = message;
    for (int flips = 0; flips < 3; ++flips) {
      damaged[random() % damaged.size()] ^=
          static_cast<char>(1 << random() % 8);
    }
    DownloadEvent event = EventOf(damaged, 1 + random() % 16);
    if (!ParseDownloadEvent(&event).ok()) continue;
    if (const auto* value = std::get_if<ValueView>(&event.event)) {
      EXPECT_LE(Joined(*value).size(), damaged.size());
    }
  }
}

}  // namespace
}  // namespace qstore::client
