#include "client/download/download_stream.h"

#include <cstdint>
#include <random>
#include <string>
#include <variant>
#include <vector>

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

std::string Joined(const BlobPartView& part) {
  std::string text;
  for (const ByteView piece : part.pieces) text += AsStringView(piece);
  return text;
}

v1::DownloadResponse BlobResponse(const std::string& payload) {
  v1::DownloadResponse response;
  v1::BlobPart* part = response.mutable_blob();
  part->set_object_index(uint64_t{1} << 40);
  part->set_chunk_index(300);
  part->set_blob_index(2);
  part->set_offset_bytes(uint64_t{1} << 33);
  part->set_payload(payload);
  return response;
}

TEST(ParseDownloadEventTest, SeesPayloadsInPlaceWhateverTheSlices) {
  const std::string payload = std::string(5000, 'p') + "end";
  const std::string message = BlobResponse(payload).SerializeAsString();
  for (const size_t slice_bytes : {1u, 7u, 64u, 4096u, 1u << 20}) {
    DownloadEvent event = EventOf(message, slice_bytes);
    ASSERT_TRUE(ParseDownloadEvent(&event).ok());
    const auto& part = std::get<BlobPartView>(event.event);
    EXPECT_EQ(part.object_index, uint64_t{1} << 40);
    EXPECT_EQ(part.chunk_index, 300u);
    EXPECT_EQ(part.blob_index, 2u);
    EXPECT_EQ(part.offset_bytes, uint64_t{1} << 33);
    EXPECT_EQ(part.payload_bytes(), payload.size());
    EXPECT_EQ(Joined(part), payload);
    EXPECT_EQ(event.message_bytes, message.size());
  }
}

TEST(ParseDownloadEventTest, TakesFieldsInAnyOrderAndUnknownOnes) {
  v1::BlobPart late;
  late.set_object_index(4);
  v1::BlobPart early;
  early.set_payload("xyz");
  const std::string part = early.SerializeAsString() +
                           std::string("\xf8\x07\x05", 3) +
                           late.SerializeAsString();
  // Field 3, length-delimited.
  const std::string message =
      std::string(1, '\x1a') + static_cast<char>(part.size()) + part;
  DownloadEvent event = EventOf(message, 4);
  ASSERT_TRUE(ParseDownloadEvent(&event).ok());
  EXPECT_EQ(std::get<BlobPartView>(event.event).object_index, 4u);
  EXPECT_EQ(Joined(std::get<BlobPartView>(event.event)), "xyz");
}

TEST(ParseDownloadEventTest, ReadsManifestsAndTheEnd) {
  v1::RevisionManifest manifest;
  manifest.set_model("org/m");
  v1::DownloadResponse response;
  SetChecked(manifest, response.mutable_revision());
  DownloadEvent event = EventOf(response.SerializeAsString(), 3);
  ASSERT_TRUE(ParseDownloadEvent(&event).ok());
  EXPECT_EQ(std::get<v1::RevisionManifest>(event.event).model(), "org/m");

  response.mutable_end()->mutable_sent()->set_plain(9);
  event = EventOf(response.SerializeAsString(), 3);
  ASSERT_TRUE(ParseDownloadEvent(&event).ok());
  EXPECT_EQ(std::get<v1::DownloadEnd>(event.event).sent().plain(), 9u);
}

TEST(ParseDownloadEventTest, RefusesTwoEventsInOneMessage) {
  const std::string message = BlobResponse("a").SerializeAsString();
  DownloadEvent event = EventOf(message + message, 100);
  EXPECT_FALSE(ParseDownloadEvent(&event).ok());
}

TEST(ParseDownloadEventTest, RefusesTruncatedMessages) {
  const std::string message = BlobResponse("payload").SerializeAsString();
  for (size_t size = 0; size < message.size(); ++size) {
    DownloadEvent event = EventOf(message.substr(0, size), 5);
    EXPECT_FALSE(ParseDownloadEvent(&event).ok()) << size;
  }
}

TEST(ParseDownloadEventTest, SurvivesDamage) {
  const std::string message = BlobResponse("payload").SerializeAsString();
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    std::string damaged = message;
    for (int flips = 0; flips < 3; ++flips) {
      damaged[random() % damaged.size()] ^=
          static_cast<char>(1 << random() % 8);
    }
    DownloadEvent event = EventOf(damaged, 1 + random() % 16);
    if (!ParseDownloadEvent(&event).ok()) continue;
    if (const auto* part = std::get_if<BlobPartView>(&event.event)) {
      EXPECT_LE(Joined(*part).size(), damaged.size());
    }
  }
}

}  // namespace
}  // namespace qstore::client
