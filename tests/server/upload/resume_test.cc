// Uploads whose streams break, and what another stream may do about it.

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "base/error_reason.h"
#include "tests/server/upload/broken_upload_fixture.h"

namespace qstore::server {
namespace {

using grpc::StatusCode;

class ResumeTest : public BrokenUploadTest,
                   public ::testing::WithParamInterface<const char*> {
 protected:
  ResumeTest() {
    model_ = VariedModel(1);
    model_[kLastFile] = std::string(kLastFileBytes, 'z');
  }
  void Start() { StartServer(GetParam()); }

  TestModel model_;
};
INSTANTIATE_TEST_SUITE_P(Engines, ResumeTest,
                         ::testing::Values("memory", "rocksdb"),
                         [](const auto& param) { return param.param; });

TEST_P(ResumeTest, GoesOnWhereTheStreamBroke) {
  Start();
  BreakOff("k1", model_);
  const v1::GetUploadStateResponse state = State("k1");
  // The chunk that was open is asked for again, all others are not.
  EXPECT_EQ(state.point().file_count(), model_.size() - 1);
  EXPECT_EQ(state.point().file_offset_bytes(), 0u);
  uint64_t total_bytes = 0;
  for (const auto& [path, content] : model_) total_bytes += content.size();
  EXPECT_EQ(state.held_bytes(), total_bytes - kLastFileBytes);
  ExpectIdle();  // a kept upload takes no place and no room
  v1::UploadResponse response;
  const grpc::Status status =
      GoOn(Begin("k1"), model_, state.point(), &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.received_bytes(), total_bytes);
  EXPECT_EQ(Download(*stub_, MakeReference(kModel), kOriginal).files, model_);
}

TEST_P(ResumeTest, GoesOnInTheMiddleOfAFile) {
  Start();
  // A point between two tensors of one file.
  TestModel model;
  model["m.safetensors"] = SafetensorsFile(
      {{.name = "a", .shape = {16, 64}, .seed = 1},
       {.name = "b.weight", .shape = {40, 64}, .seed = 2},
       {.name = "c", .dtype = Dtype::kU8, .shape = {kLastFileBytes}}});
  BreakOff("k1", model);
  const v1::GetUploadStateResponse state = State("k1");
  EXPECT_EQ(state.point().file_count(), 0u);
  EXPECT_EQ(state.point().file_offset_bytes(),
            model["m.safetensors"].size() - kLastFileBytes);
  v1::UploadResponse response;
  ASSERT_TRUE(GoOn(Begin("k1"), model, state.point(), &response).ok());
  EXPECT_EQ(Download(*stub_, MakeReference(kModel), kOriginal).files, model);
}

TEST_P(ResumeTest, DropsWhatIsNotOfTheseFiles) {
  Start();
  BreakOff("k1", model_);
  const v1::UploadPoint point = State("k1").point();
  TestModel changed = model_;
  changed["config.json"].back() ^= 1;
  v1::UploadResponse response;
  EXPECT_THAT(GoOn(Begin("k1"), changed, point, &response),
              StatusIs(StatusCode::ABORTED, "start from the first file"));
  ExpectIdle();
  ExpectNothingKept("k1");
}

TEST_P(ResumeTest, RefusesAnotherPointOrUpload) {
  Start();
  v1::UploadResponse response;
  for (const char* what : {"point", "model", "options", "key"}) {
    BreakOff("k1", model_);
    v1::UploadPoint point = State("k1").point();
    v1::UploadRequest begin = Begin("k1");
    if (what == std::string("point")) {
      point.set_file_count(point.file_count() - 1);
    } else if (what == std::string("model")) {
      begin.mutable_begin()->set_model("org/other");
    } else if (what == std::string("options")) {
      begin.mutable_begin()->mutable_quantization()->set_quantizer("none");
    } else {
      begin.mutable_begin()->set_upload_key("k2");
    }
    EXPECT_THAT(GoOn(begin, model_, point, &response),
                StatusIs(StatusCode::ABORTED, "start from the first file"))
        << what;
  }
  grpc::ClientContext context;
  v1::ListModelsResponse models;
  ASSERT_TRUE(stub_->ListModels(&context, {}, &models).ok());
  EXPECT_EQ(models.models_size(), 0);
}

TEST_P(ResumeTest, TheWindowEnds) {
  options_.resume_window_seconds = 1;
  Start();
  BreakOff("k1", model_);
  while (daemon_->upload_park().size() == 0) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  ExpectIdle();
  ExpectNothingKept("k1");
}

TEST_P(ResumeTest, ANullWindowKeepsNothing) {
  options_.resume_window_seconds = 0;
  Start();
  BreakOff("k1", model_);
  ExpectIdle();
  ExpectNothingKept("k1");
}

TEST_P(ResumeTest, TheOldestMakesRoom) {
  options_.max_parked_uploads = 2;
  Start();
  for (const char* key : {"k1", "k2", "k3"}) {
    BreakOff(key, model_);
    EXPECT_TRUE(State(key).has_point());
  }
  EXPECT_FALSE(State("k1").has_point());
  EXPECT_TRUE(State("k2").has_point());
  EXPECT_TRUE(State("k3").has_point());
}

// What one upload may not have is no reason to take from another.
TEST_P(ResumeTest, StaysWhenAnotherIsPastItsQuota) {
  options_.quotas = {{.prefix = "greedy/", .max_bytes = 100}};
  Start();
  BreakOff("k1", model_);
  EXPECT_TRUE(State("k1").has_point());
  v1::UploadResponse response;
  EXPECT_THAT(SendUpload(*stub_, UploadMessages("greedy/model", VariedModel(2)),
                         &response),
              StatusIs(StatusCode::RESOURCE_EXHAUSTED, "quota"));
  EXPECT_TRUE(State("k1").has_point());
}

TEST_P(ResumeTest, TakesNoPlaceOfOthers) {
  options_.calls.uploads = 1;
  options_.ingest_memory_bytes = kMaxChunkLeaseBytes;
  Start();
  BreakOff("k1", model_);
  const v1::UploadPoint point = State("k1").point();
  MustUpload("org/other", VariedModel(2));
  v1::UploadResponse response;
  EXPECT_TRUE(GoOn(Begin("k1"), model_, point, &response).ok());
}

TEST_P(ResumeTest, BadInputIsNotKept) {
  Start();
  EXPECT_THAT(UploadFails({Begin("k1"), FileMessage("a", 3), EndMessage(1, 3)}),
              StatusIs(StatusCode::INVALID_ARGUMENT));
  ExpectNothingKept("k1");
  EXPECT_THAT(UploadFails({Begin("no/key")}),
              StatusIs(StatusCode::INVALID_ARGUMENT, "upload key"));
}

TEST_P(ResumeTest, AnAnswerThatWasLostIsGivenAgain) {
  Start();
  std::vector<v1::UploadRequest> messages = MessagesFrom(model_, {});
  messages.insert(messages.begin(), Begin("k1"));
  v1::UploadResponse first;
  ASSERT_TRUE(SendUpload(*stub_, messages, &first).ok());
  EXPECT_TRUE(first.created());
  // For the client that may have lost it; to others it is no interrupted
  // upload.
  EXPECT_FALSE(State("k1", "c2").has_point());
  const v1::UploadPoint point = State("k1").point();
  EXPECT_EQ(point.file_count(), model_.size());
  v1::UploadResponse second;
  ASSERT_TRUE(GoOn(Begin("k1"), model_, point, &second).ok());
  EXPECT_EQ(second.SerializeAsString(), first.SerializeAsString());

  // Not of a revision that somebody has deleted meanwhile.
  grpc::ClientContext context;
  v1::DeleteRequest request;
  *request.mutable_reference() = MakeReference(kModel);
  v1::DeleteResponse deleted;
  ASSERT_TRUE(stub_->Delete(&context, request, &deleted).ok());
  EXPECT_EQ(DataKeyCount(), 0);  // collected
  EXPECT_THAT(GoOn(Begin("k1"), model_, point, &second),
              StatusIs(StatusCode::ABORTED, "deleted"));
  ExpectNothingKept("k1");
}

TEST_P(ResumeTest, AClientTakesOverItsOwnStream) {
  Start();
  grpc::ClientContext context;
  v1::UploadResponse response;
  auto writer = stub_->Upload(&context, &response);
  ASSERT_TRUE(writer->Write(Begin("k1")));
  ASSERT_TRUE(writer->Write(FileMessage("a", 3)));
  ASSERT_TRUE(writer->Write(BytesMessage("abc")));
  ASSERT_TRUE(writer->Write(FileMessage("b", 3)));
  ASSERT_TRUE(writer->Write(BytesMessage("d")));
  while (daemon_->ingest_budget().held_bytes() == 0) std::this_thread::yield();
  // The server takes the stream for alive; another client does not get it.
  EXPECT_FALSE(State("k1", "c2").has_point());
  EXPECT_EQ(State("k1").point().file_count(), 1u);
  EXPECT_THAT(writer->Finish(), StatusIs(StatusCode::CANCELLED));
}

TEST_P(ResumeTest, ARunningUploadThatFindsNoRoomDropsWhatIsKept) {
  Start();
  BreakOff("k1", model_);
  EXPECT_TRUE(State("k1").has_point());
  faults_->FailAll(storage::Faults::Call::kIngest,
                   WithReason(absl::ResourceExhaustedError("no space left"),
                              kReasonDiskFull));
  v1::UploadResponse response;
  EXPECT_THAT(
      SendUpload(*stub_, UploadMessages("org/b", VariedModel(3)), &response),
      StatusIs(StatusCode::RESOURCE_EXHAUSTED));
  faults_->Heal();
  EXPECT_FALSE(State("k1").has_point());
}

}  // namespace
}  // namespace qstore::server
