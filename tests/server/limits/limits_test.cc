// The documented limits (docs/operations.md, "Limits") that no other test
// reaches: of messages, metadata, patterns, calls on a connection, reports.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/server/server_fixture.h"

namespace qstore::server {
namespace {

using grpc::StatusCode;

class LimitsTest : public ServerTest {};

TEST_F(LimitsTest, WholeMessage) {
  StartServer();
  // gRPC itself refuses what cannot be a message of ours.
  EXPECT_THAT(
      UploadFails({BeginMessage(std::string((2u << 20) + (65u << 10), 'x'))}),
      StatusIs(StatusCode::RESOURCE_EXHAUSTED, "larger than max"));
  EXPECT_THAT(UploadFails({BeginMessage(std::string(2u << 20, 'x'))}),
              StatusIs(StatusCode::INVALID_ARGUMENT, "at most 200"));
}

TEST_F(LimitsTest, MetadataOfACall) {
  StartServer();
  for (const size_t size_bytes : {7000, 9000}) {
    grpc::ClientContext context;
    context.AddMetadata("x-long", std::string(size_bytes, 'x'));
    v1::ListModelsResponse models;
    const grpc::Status status = stub_->ListModels(&context, {}, &models);
    EXPECT_EQ(status.ok(), size_bytes < 8000) << status.error_message();
  }
}

TEST_F(LimitsTest, Patterns) {
  StartServer();
  v1::UploadRequest begin = BeginMessage(kModel);
  v1::QuantizationOptions* options =
      begin.mutable_begin()->mutable_quantization();
  for (int i = 0; i < 1000; ++i) options->add_include("x*");
  EXPECT_THAT(UploadFails({begin, EndMessage(0, 0)}),
              StatusIs(StatusCode::INVALID_ARGUMENT, "no files"));
  options->add_include("x*");
  EXPECT_THAT(UploadFails({begin}),
              StatusIs(StatusCode::INVALID_ARGUMENT,
                       "1001 include patterns, but at most 1000"));
  options->clear_include();
  options->add_exclude(std::string(257, 'x'));
  EXPECT_THAT(UploadFails({begin}),
              StatusIs(StatusCode::INVALID_ARGUMENT, "1 to 256 are allowed"));
}

TEST_F(LimitsTest, ReportedProblems) {
  StartServer();
  std::vector<TestTensor> tensors;
  for (uint64_t i = 0; i < 1100; ++i) {
    tensors.push_back({"t" + std::to_string(i), Dtype::kU8, {16}, i + 1});
  }
  MustUpload(kModel, {{"model.safetensors", SafetensorsFile(tensors)}});
  DamageReads(kPlain);
  v1::VerifyResponse last;
  EXPECT_TRUE(Verify(*stub_, MakeReference(kModel), &last).ok());
  ASSERT_EQ(last.problems_size(), 1001);
  // The header of the file is an object too.
  EXPECT_EQ(last.problems(1000), "and 101 more");
}

TEST_F(LimitsTest, CallsOnOneConnection) {
  constexpr size_t kMaxCalls = 256;
  options_.calls.uploads = 1;
  options_.calls.queued = kMaxCalls + 10;
  options_.calls.queue_timeout = std::chrono::minutes(10);
  StartServer();
  const auto count = [&] {
    return daemon_->running_calls() + daemon_->waiting_calls();
  };
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<v1::UploadResponse> responses(kMaxCalls + 1);
  std::vector<std::unique_ptr<grpc::ClientWriter<v1::UploadRequest>>> calls;
  for (size_t i = 0; i < kMaxCalls; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    calls.push_back(stub_->Upload(contexts.back().get(), &responses[i]));
  }
  for (int i = 0; i < 4000 && count() < kMaxCalls; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(count(), kMaxCalls);
  // The client keeps one more to itself until another ends.
  grpc::ClientContext late;
  late.set_deadline(std::chrono::system_clock::now() +
                    std::chrono::milliseconds(300));
  auto one_more = stub_->Upload(&late, &responses.back());
  EXPECT_EQ(count(), kMaxCalls);
  EXPECT_THAT(one_more->Finish(), StatusIs(StatusCode::DEADLINE_EXCEEDED));
  for (auto& context : contexts) context->TryCancel();
  for (auto& call : calls) call->Finish();
  ExpectIdle();
}

}  // namespace
}  // namespace qstore::server
