// Uploads that were not finished when the server ended, and what the next one
// makes of them.

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <thread>

#include "base/error_reason.h"
#include "qstore/upload/v1/upload_checkpoint.pb.h"
#include "server/engines.h"
#include "storage/records/record_table.h"
#include "tests/server/upload/broken_upload_fixture.h"

namespace qstore::server {
namespace {

using grpc::StatusCode;

// A checkpoint is due after a multiple of the size of the one before: these
// tensors, and this file, always are as much.
constexpr uint64_t kRows = 256;
constexpr uint64_t kTensorBytes = kRows * 256 * 2;

class RestartTest : public BrokenUploadTest {
 protected:
  RestartTest() {
    options_.checkpoint_bytes = 1;
    model_["a.safetensors"] = SafetensorsFile(
        {{.name = "a.weight", .shape = {kRows, 256}, .seed = 1},
         {.name = "b", .dtype = Dtype::kU8, .shape = {kTensorBytes}},
         {.name = "c.weight", .shape = {kRows, 256}, .seed = 3}});
    model_["b.json"] = std::string(kTensorBytes, 'b');
    model_[kLastFile] = std::string(kLastFileBytes, 'z');
  }

  void Start() { StartServer("rocksdb"); }
  void Restart() {
    StopServer();
    Start();
  }

  uint64_t BytesBeforeLastFile() const {
    return model_.at("a.safetensors").size() + model_.at("b.json").size();
  }

  // The only one that is on disk, once it has come so far; none after a while.
  upload::v1::UploadCheckpoint WaitForCheckpoint(uint64_t received_bytes) {
    const storage::RecordTable records(engine_.records.get());
    upload::v1::UploadCheckpoint checkpoint;
    for (int tries = 0; tries < 30'000; ++tries) {
      const auto ids = records.UnfinishedIds();
      if (ids.ok() && ids->size() == 1) {
        const auto record = records.Unfinished(ids->front());
        if (record.ok() && checkpoint.ParseFromString(record->payload()) &&
            checkpoint.received_bytes() >= received_bytes) {
          return checkpoint;
        }
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ADD_FAILURE() << "no checkpoint at " << received_bytes << " bytes";
    return {};
  }
  size_t CheckpointCount() {
    return storage::RecordTable(engine_.records.get()).UnfinishedIds()->size();
  }

  // Changes the only checkpoint while no server runs on it.
  void Rewrite(
      const std::function<void(upload::v1::UploadCheckpoint*)>& change) {
    StopServer();
    auto opened = OpenEngine(options_, {});
    ASSERT_TRUE(opened.ok()) << opened.status();
    storage::RecordTable records(opened->records.get());
    const uint64_t id = records.UnfinishedIds()->front();
    auto record = records.Unfinished(id);
    ASSERT_TRUE(record.ok());
    upload::v1::UploadCheckpoint checkpoint;
    ASSERT_TRUE(checkpoint.ParseFromString(record->payload()));
    change(&checkpoint);
    record->set_payload(checkpoint.SerializeAsString());
    storage::RecordBatch batch;
    batch.PutUnfinished(id, *record);
    ASSERT_TRUE(records.Commit(batch).ok());
  }

  // All that comes before the last file is remembered, and the server ends.
  void BreakOffAndStop(const std::string& key = "k1") {
    Start();
    BreakOff(key, model_);
    WaitForCheckpoint(BytesBeforeLastFile());
    StopServer();
  }

  // An end of it, and that nothing is left of the checkpoint.
  void FinishFrom(const v1::UploadPoint& point) {
    v1::UploadResponse response;
    const grpc::Status status = GoOn(Begin("k1"), model_, point, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(Download(*stub_, MakeReference(kModel), kOriginal).files, model_);
    EXPECT_EQ(CheckpointCount(), 0u);
  }

  TestModel model_;
};

TEST_F(RestartTest, GoesOnBetweenTwoFiles) {
  BreakOffAndStop();
  Start();
  const v1::GetUploadStateResponse state = State("k1");
  EXPECT_EQ(state.point().file_count(), model_.size() - 1);
  EXPECT_EQ(state.point().file_offset_bytes(), 0u);
  EXPECT_EQ(state.held_bytes(), BytesBeforeLastFile());
  ExpectIdle();
  FinishFrom(state.point());
  Restart();
  EXPECT_FALSE(State("k1").has_point());
  EXPECT_EQ(Download(*stub_, MakeReference(kModel), kOriginal).files, model_);
}

// Twice, so that the checksum of all before the second point has gone on from
// what was remembered at the first.
TEST_F(RestartTest, GoesOnBetweenTwoTensors) {
  model_.clear();
  model_["m.safetensors"] = SafetensorsFile(
      {{.name = "a.weight", .shape = {kRows, 256}, .seed = 1},
       {.name = "b", .dtype = Dtype::kU8, .shape = {kTensorBytes}},
       {.name = "none", .shape = {0, 4}},
       {.name = "c.weight", .shape = {kRows, 256}, .seed = 3},
       {.name = "d", .dtype = Dtype::kU8, .shape = {kLastFileBytes}}});
  const uint64_t size = model_["m.safetensors"].size();
  Start();
  // Up to the middle of c.weight, which a.weight and b come before.
  const uint64_t ends[] = {size - kLastFileBytes - kTensorBytes / 2, size - 1};
  v1::UploadPoint point;
  for (const uint64_t end : ends) {
    const uint64_t open_bytes =
        end == ends[0] ? kTensorBytes / 2 : kLastFileBytes - 1;
    std::vector<v1::UploadRequest> messages = MessagesFrom(model_, point);
    v1::UploadRequest begin = Begin("k1");
    if (point.file_offset_bytes() > 0) {
      *begin.mutable_begin()->mutable_resume() = point;
      begin.mutable_begin()->mutable_resume()->set_xxh3(
          HashBefore(model_, point));
    }
    messages.insert(messages.begin(), begin);
    uint64_t left_bytes = end - point.file_offset_bytes();
    grpc::ClientContext context;
    v1::UploadResponse response;
    auto writer = stub_->Upload(&context, &response);
    for (const v1::UploadRequest& message : messages) {
      if (message.bytes().payload().size() > left_bytes) break;
      left_bytes -= message.bytes().payload().size();
      ASSERT_TRUE(writer->Write(message));
    }
    WaitForCheckpoint(end - open_bytes);
    // The call still runs.
    StopServer();
    EXPECT_FALSE(writer->Finish().ok());
    Start();
    point = State("k1").point();
    EXPECT_EQ(point.file_count(), 0u);
    EXPECT_EQ(point.file_offset_bytes(), end - open_bytes);
  }
  FinishFrom(point);
}

TEST_F(RestartTest, DropsWhatIsNotOfTheseFiles) {
  BreakOffAndStop();
  Start();
  const v1::UploadPoint point = State("k1").point();
  TestModel changed = model_;
  changed["b.json"].back() ^= 1;
  v1::UploadResponse response;
  EXPECT_THAT(GoOn(Begin("k1"), changed, point, &response),
              StatusIs(StatusCode::ABORTED, "start from the first file"));
  ExpectIdle();
  ExpectNothingKept("k1");
  EXPECT_EQ(CheckpointCount(), 0u);
}

TEST_F(RestartTest, TheWindowEndsWhileTheServerRuns) {
  options_.resume_window_seconds = 3;
  BreakOffAndStop();
  Start();
  // The window may have ended on the way on a busy machine: then nothing has to
  // be waited for.
  std::this_thread::sleep_for(std::chrono::milliseconds(4500));
  ExpectIdle();
  ExpectNothingKept("k1");
  EXPECT_EQ(CheckpointCount(), 0u);
}

TEST_F(RestartTest, TheWindowEndsWhileNoServerRuns) {
  options_.resume_window_seconds = 1;
  BreakOffAndStop();
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));
  Start();
  ExpectNothingKept("k1");
  EXPECT_EQ(CheckpointCount(), 0u);
}

TEST_F(RestartTest, AServerThatKeepsNothingDropsThem) {
  BreakOffAndStop();
  options_.resume_window_seconds = 0;
  Start();
  ExpectNothingKept("k1");
  EXPECT_EQ(CheckpointCount(), 0u);
}

TEST_F(RestartTest, NothingIsRememberedWithoutAKeyOrAWindow) {
  Start();
  BreakOff("", model_);
  EXPECT_EQ(CheckpointCount(), 0u);
  StopServer();
  options_.resume_window_seconds = 0;
  Start();
  BreakOff("k1", model_);
  EXPECT_EQ(CheckpointCount(), 0u);
}

// Those that were kept by this server and those of the one before count
// together.
TEST_F(RestartTest, TheOldestMakesRoom) {
  options_.max_parked_uploads = 1;
  BreakOffAndStop();
  Start();
  EXPECT_TRUE(State("k1").has_point());
  BreakOff("k2", model_);
  EXPECT_TRUE(State("k2").has_point());
  EXPECT_FALSE(State("k1").has_point());
  WaitForCheckpoint(BytesBeforeLastFile());
}

TEST_F(RestartTest, CountsInQuotas) {
  BreakOffAndStop();
  // The first upload fits alone, not with as much again.
  options_.quotas = {{.prefix = "org/", .max_bytes = 3 * kTensorBytes}};
  Start();
  const v1::UploadPoint point = State("k1").point();
  ASSERT_EQ(point.file_count(), model_.size() - 1);
  // Random bytes of which nothing is saved.
  const TestModel other = {
      {"x.safetensors", SafetensorsFile({{.name = "x",
                                          .dtype = Dtype::kU8,
                                          .shape = {3 * kTensorBytes / 2},
                                          .seed = 9}})}};
  v1::UploadResponse response;
  EXPECT_THAT(SendUpload(*stub_, UploadMessages("org/other", other), &response),
              StatusIs(StatusCode::RESOURCE_EXHAUSTED, "quota"));
  EXPECT_TRUE(State("k1").has_point());
  // What goes on is not counted twice.
  FinishFrom(point);
  // With it dropped, the other would have fitted.
  grpc::ClientContext context;
  v1::DeleteRequest remove;
  *remove.mutable_reference() = MakeReference(kModel);
  v1::DeleteResponse removed;
  ASSERT_TRUE(stub_->Delete(&context, remove, &removed).ok());
  EXPECT_TRUE(
      SendUpload(*stub_, UploadMessages("org/other", other), &response).ok());
}

TEST_F(RestartTest, GoesWhenTheDiskIsFull) {
  BreakOffAndStop();
  Start();
  EXPECT_TRUE(State("k1").has_point());
  faults_->FailNth(
      storage::Faults::Call::kIngest, 1,
      WithReason(absl::ResourceExhaustedError("no space"), kReasonDiskFull));
  v1::UploadResponse response;
  EXPECT_THAT(SendUpload(*stub_, UploadMessages("org/other", VariedModel(2)),
                         &response),
              StatusIs(StatusCode::RESOURCE_EXHAUSTED, "no space"));
  ExpectNothingKept("k1");
  EXPECT_EQ(CheckpointCount(), 0u);
}

// What another version of the server, or of its hash, has written, or nobody.
TEST_F(RestartTest, WhatCannotBeUsedIsDropped) {
  using upload::v1::UploadCheckpoint;
  const std::vector<std::function<void(UploadCheckpoint*)>> changes = {
      [](UploadCheckpoint* checkpoint) { checkpoint->set_layout(99); },
      [](UploadCheckpoint* checkpoint) {
        checkpoint->mutable_xxh3()->front() ^= 1;  // the library's version
      },
      [](UploadCheckpoint* checkpoint) {
        checkpoint->mutable_xxh3()->at(8) ^= 1;
      },
      [](UploadCheckpoint* checkpoint) { checkpoint->clear_xxh3(); },
      [](UploadCheckpoint* checkpoint) {
        checkpoint->mutable_content_hashes(0)->front() ^= 1;
      },
      [](UploadCheckpoint* checkpoint) {
        checkpoint->mutable_content_hashes(0)->pop_back();
      },
      [](UploadCheckpoint* checkpoint) {
        checkpoint->mutable_content_hashes()->RemoveLast();
      },
      [](UploadCheckpoint* checkpoint) { checkpoint->set_received_bytes(1); },
      [](UploadCheckpoint* checkpoint) {
        checkpoint->mutable_begin()->set_model("../x");
      },
      [](UploadCheckpoint* checkpoint) {
        checkpoint->mutable_open_file()->set_path("m.safetensors");
        checkpoint->mutable_open_file()->set_size_bytes(7);
      },
      [](UploadCheckpoint* checkpoint) {
        // A vector, said to be quantized.
        checkpoint->mutable_open_file()->set_path("m.safetensors");
        checkpoint->mutable_open_file()->set_size_bytes(8);
        upload::v1::MissingTensor* tensor = checkpoint->add_missing_tensors();
        tensor->set_dtype(static_cast<uint32_t>(Dtype::kBF16));
        tensor->add_shape(4);
        tensor->set_raw_bytes(8);
        checkpoint->mutable_quantized()->set_bits("\x01");
      }};
  for (size_t i = 0; i < changes.size(); ++i) {
    BreakOffAndStop();
    Rewrite(changes[i]);
    Start();
    ExpectNothingKept("k1");
    EXPECT_EQ(CheckpointCount(), 0u) << i;
    StopServer();
  }
}

// An upload that fails for its own sake leaves no checkpoint.
TEST_F(RestartTest, BadInputIsNotRemembered) {
  Start();
  std::vector<v1::UploadRequest> messages = MessagesFrom(model_, {});
  messages.back() = EndMessage(99, 1);
  messages.insert(messages.begin(), Begin("k1"));
  EXPECT_THAT(UploadFails(messages), StatusIs(StatusCode::INVALID_ARGUMENT));
  EXPECT_EQ(CheckpointCount(), 0u);
}

}  // namespace
}  // namespace qstore::server
