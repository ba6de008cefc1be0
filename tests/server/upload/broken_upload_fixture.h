// Uploads that a test breaks off and goes on with.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "server/upload/chunk_work.h"
#include "tests/server/server_fixture.h"

namespace qstore::server {

inline constexpr size_t kPayloadBytes = 4096;
// The last file by name; a stream that breaks in it has all others sent.
inline constexpr char kLastFile[] = "zz.bin";
inline constexpr size_t kLastFileBytes = 300'000;

// What v1::UploadPoint.xxh3 says.
inline uint64_t HashBefore(const TestModel& model,
                           const v1::UploadPoint& point) {
  std::string text;
  const auto add_number = [&text](uint64_t number) {
    text.append(reinterpret_cast<const char*>(&number), sizeof(number));
  };
  uint64_t index = 0;
  for (const auto& [path, content] : model) {
    const bool whole = index < point.file_count();
    if (!whole && point.file_offset_bytes() == 0) break;
    add_number(path.size());
    text += path;
    add_number(content.size());
    text += whole ? content : content.substr(0, point.file_offset_bytes());
    if (!whole) break;
    ++index;
  }
  return Xxh3(AsBytes(text));
}

class BrokenUploadTest : public ServerTest {
 protected:
  static v1::UploadRequest Begin(const std::string& key,
                                 const std::string& client = "c1",
                                 const std::string& name = kModel) {
    v1::UploadRequest request = BeginMessage(name);
    request.mutable_begin()->set_upload_key(key);
    request.mutable_begin()->set_client_id(client);
    return request;
  }

  // The messages that follow `point` in an upload of `model`.
  static std::vector<v1::UploadRequest> MessagesFrom(
      const TestModel& model, const v1::UploadPoint& point) {
    std::vector<v1::UploadRequest> messages;
    uint64_t index = 0;
    uint64_t total_bytes = 0;
    for (const auto& [path, content] : model) {
      total_bytes += content.size();
      const uint64_t number = index++;
      if (number < point.file_count()) continue;
      const uint64_t offset =
          number == point.file_count() ? point.file_offset_bytes() : 0;
      if (offset == 0) messages.push_back(FileMessage(path, content.size()));
      for (size_t i = offset; i < content.size(); i += kPayloadBytes) {
        messages.push_back(BytesMessage(content.substr(i, kPayloadBytes)));
      }
    }
    messages.push_back(EndMessage(model.size(), total_bytes));
    return messages;
  }

  // Sends all but the last half of kLastFile, then breaks the stream off.
  void BreakOff(const std::string& key, const TestModel& model) {
    std::vector<v1::UploadRequest> messages = MessagesFrom(model, {});
    messages.resize(messages.size() - 1 - kLastFileBytes / 2 / kPayloadBytes);
    grpc::ClientContext context;
    v1::UploadResponse response;
    auto writer = stub_->Upload(&context, &response);
    ASSERT_TRUE(writer->Write(Begin(key)));
    for (const v1::UploadRequest& message : messages) {
      ASSERT_TRUE(writer->Write(message));
    }
    // The server has it all when nothing but the open chunk takes room.
    const uint64_t held_bytes =
        kLastFileBytes + EncodedLeaseBytes(kLastFileBytes);
    while (daemon_->ingest_budget().held_bytes() != held_bytes) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    context.TryCancel();
    EXPECT_FALSE(writer->Finish().ok());
  }

  v1::GetUploadStateResponse State(const std::string& key,
                                   const std::string& client = "c1") {
    grpc::ClientContext context;
    v1::GetUploadStateRequest request;
    request.set_upload_key(key);
    request.set_client_id(client);
    v1::GetUploadStateResponse response;
    const grpc::Status status =
        stub_->GetUploadState(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  grpc::Status GoOn(v1::UploadRequest begin, const TestModel& model,
                    const v1::UploadPoint& point,
                    v1::UploadResponse* response) {
    v1::UploadPoint* resume = begin.mutable_begin()->mutable_resume();
    *resume = point;
    resume->set_xxh3(HashBefore(model, point));
    std::vector<v1::UploadRequest> messages = MessagesFrom(model, point);
    messages.insert(messages.begin(), std::move(begin));
    return SendUpload(*stub_, messages, response);
  }

  void ExpectNothingKept(const std::string& key) {
    EXPECT_FALSE(State(key).has_point());
    EXPECT_EQ(daemon_->upload_park().size(), 0u);
    EXPECT_EQ(DataKeyCount(), 0);
  }
};

}  // namespace qstore::server
