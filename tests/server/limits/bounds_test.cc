// Queued, cancelled, expired and stalled calls, quotas and the disk reserve, as
// a client sees them.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <future>
#include <random>
#include <thread>

#include "server/download/download_call.h"
#include "server/upload/chunk_work.h"
#include "tests/server/server_fixture.h"

namespace qstore::server {
namespace {

using grpc::StatusCode;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

// What the documentation promises for freed resources, without a sanitizer.
#ifdef __SANITIZE_ADDRESS__
constexpr auto kFreedWithin = seconds(10);
#else
constexpr auto kFreedWithin = seconds(1);
#endif

class BoundsTest : public ServerTest {
 protected:
  // Fails unless nothing runs, waits or is held within a second from now.
  void ExpectFreedSoon() {
    const auto deadline = Clock::now() + kFreedWithin;
    while (!NothingIsHeld() && Clock::now() < deadline) {
      std::this_thread::sleep_for(milliseconds(2));
    }
    EXPECT_TRUE(NothingIsHeld())
        << daemon_->running_calls() << " run, " << daemon_->waiting_calls()
        << " wait, " << daemon_->ingest_budget().held_bytes() << " of chunks, "
        << daemon_->metadata_budget().held_bytes() << " of metadata, "
        << daemon_->verify_budget().held_bytes() << " being verified, "
        << daemon_->pinned_bytes().bytes() << " pinned";
  }
  bool NothingIsHeld() const {
    return daemon_->running_calls() == 0 && daemon_->waiting_calls() == 0 &&
           daemon_->ingest_budget().held_bytes() == 0 &&
           daemon_->metadata_budget().held_bytes() == 0 &&
           daemon_->verify_budget().held_bytes() == 0 &&
           daemon_->pinned_bytes().bytes() == 0;
  }
  static void WaitUntil(const std::function<bool()>& condition) {
    const auto deadline = Clock::now() + seconds(20);
    while (!condition() && Clock::now() < deadline) {
      std::this_thread::sleep_for(milliseconds(1));
    }
    ASSERT_TRUE(condition());
  }
  static v1::DownloadRequest OriginalOf(const std::string& model) {
    return MakeDownload(MakeReference(model));
  }
  static TestModel LargeModel() {
    return {{"model.safetensors",
             SafetensorsFile({{"a.weight", Dtype::kF32, {3000, 1000}, 1},
                              {"b.weight", Dtype::kF32, {3000, 1000}, 2}})}};
  }
  // Bytes that do not become smaller.
  static std::string Noise(size_t size_bytes) {
    std::mt19937_64 random(size_bytes);
    std::string noise(size_bytes, '\0');
    for (char& byte : noise) byte = static_cast<char>(random());
    return noise;
  }
  // The first messages of an upload of two files, the second file unfinished.
  static std::vector<v1::UploadRequest> Beginning(const std::string& name) {
    std::vector<v1::UploadRequest> messages =
        UploadMessages(name, LargeModel());
    messages.pop_back();
    messages.push_back(FileMessage("rest", 100u << 20));
    messages.push_back(BytesMessage(std::string(1u << 20, 'x')));
    return messages;
  }
};

// An upload that is under way.
struct OpenUpload {
  OpenUpload(v1::ModelStore::Stub& stub,
             const std::vector<v1::UploadRequest>& messages)
      : writer(stub.Upload(&context, &response)) {
    for (const v1::UploadRequest& message : messages) {
      EXPECT_TRUE(writer->Write(message));
    }
  }
  grpc::Status Finish() const {
    writer->WritesDone();
    return writer->Finish();
  }
  grpc::ClientContext context;
  v1::UploadResponse response;
  std::unique_ptr<grpc::ClientWriter<v1::UploadRequest>> writer;
};

TEST_F(BoundsTest, QueuedUploadRunsWhenAnotherEnds) {
  options_.calls.uploads = 1;
  StartServer();
  OpenUpload first(*stub_, {BeginMessage("org/first"), FileMessage("a", 1)});
  WaitUntil([&] { return daemon_->running_calls() == 1; });
  auto second = std::async(std::launch::async, [&] {
    v1::UploadResponse response;
    return SendUpload(*stub_, UploadMessages("org/second", {{"a", "b"}}),
                      &response);
  });
  WaitUntil([&] { return daemon_->waiting_calls() == 1; });
  ASSERT_TRUE(first.writer->Write(BytesMessage("x")));
  ASSERT_TRUE(first.writer->Write(EndMessage(1, 1)));
  EXPECT_TRUE(first.Finish().ok());
  const grpc::Status status = second.get();
  EXPECT_TRUE(status.ok()) << status.error_message();
  ExpectFreedSoon();
}

TEST_F(BoundsTest, QueuedDownloadRunsWhenAnotherIsCancelled) {
  options_.calls.downloads = 1;
  StartServer();
  MustUpload(kModel, LargeModel());
  grpc::ClientContext context;
  auto first = stub_->Download(&context, OriginalOf(kModel));
  WaitUntil([&] { return daemon_->running_calls() == 1; });
  auto second = std::async(std::launch::async, [&] {
    return Download(*NewStub(), MakeReference(kModel), kOriginal);
  });
  WaitUntil([&] { return daemon_->waiting_calls() == 1; });
  context.TryCancel();
  const DownloadResult result = second.get();
  EXPECT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_EQ(result.files, LargeModel());
  first->Finish();
  ExpectFreedSoon();
}

TEST_F(BoundsTest, PastTheQueueCallsAreRefusedWithAHint) {
  options_.calls.downloads = 1;
  options_.calls.queued = 1;
  options_.calls.queue_timeout = milliseconds(300);
  StartServer();
  MustUpload(kModel, LargeModel());
  grpc::ClientContext context;
  auto first = stub_->Download(&context, OriginalOf(kModel));
  WaitUntil([&] { return daemon_->running_calls() == 1; });
  auto second = std::async(std::launch::async, [&] {
    return Download(*stub_, MakeReference(kModel), kInt8).status;
  });
  WaitUntil([&] { return daemon_->waiting_calls() == 1; });
  const grpc::Status refused =
      Download(*stub_, MakeReference(kModel), kInt8).status;
  EXPECT_THAT(refused, StatusIs(StatusCode::RESOURCE_EXHAUSTED, "1 wait"));
  EXPECT_NE(refused.error_details().find("google.rpc.RetryInfo"),
            std::string::npos);
  EXPECT_THAT(second.get(), StatusIs(StatusCode::RESOURCE_EXHAUSTED,
                                     "none ended within 300ms"));
  context.TryCancel();
  first->Finish();
  ExpectFreedSoon();
}

TEST_F(BoundsTest, CancelledAndExpiredCallsLeaveTheQueue) {
  options_.calls.uploads = 1;
  options_.calls.downloads = 1;
  StartServer();
  MustUpload(kModel, LargeModel());
  OpenUpload running(*stub_, {BeginMessage("org/running")});
  grpc::ClientContext download_context;
  auto download = stub_->Download(&download_context, OriginalOf(kModel));
  WaitUntil([&] { return daemon_->running_calls() == 2; });

  OpenUpload cancelled(*stub_, {BeginMessage("org/cancelled")});
  grpc::ClientContext cancelled_context;
  auto cancelled_download =
      stub_->Download(&cancelled_context, OriginalOf(kModel));
  grpc::ClientContext expiring_context;
  expiring_context.set_deadline(std::chrono::system_clock::now() +
                                milliseconds(400));
  auto expiring = stub_->Download(&expiring_context, OriginalOf(kModel));
  WaitUntil([&] { return daemon_->waiting_calls() == 3; });
  cancelled.context.TryCancel();
  cancelled_context.TryCancel();
  EXPECT_THAT(cancelled.Finish(), StatusIs(StatusCode::CANCELLED));
  EXPECT_THAT(cancelled_download->Finish(), StatusIs(StatusCode::CANCELLED));
  EXPECT_THAT(expiring->Finish(), StatusIs(StatusCode::DEADLINE_EXCEEDED));
  const auto deadline = Clock::now() + kFreedWithin;
  while (daemon_->waiting_calls() > 0 && Clock::now() < deadline) {
    std::this_thread::sleep_for(milliseconds(2));
  }
  EXPECT_EQ(daemon_->waiting_calls(), 0u);

  running.context.TryCancel();
  download_context.TryCancel();
  running.Finish();
  download->Finish();
  ExpectFreedSoon();
}

TEST_F(BoundsTest, ShutdownEmptiesTheQueue) {
  options_.calls.uploads = 1;
  StartServer();
  OpenUpload running(*stub_, {BeginMessage("org/a"), FileMessage("a", 1)});
  WaitUntil([&] { return daemon_->running_calls() == 1; });
  OpenUpload waiting(*stub_, {BeginMessage("org/b")});
  WaitUntil([&] { return daemon_->waiting_calls() == 1; });
  std::thread stopping([this] { daemon_->Shutdown(seconds(20)); });
  EXPECT_THAT(waiting.Finish(),
              StatusIs(StatusCode::UNAVAILABLE, "shutting down"));
  ASSERT_TRUE(running.writer->Write(BytesMessage("x")));
  ASSERT_TRUE(running.writer->Write(EndMessage(1, 1)));
  EXPECT_TRUE(running.Finish().ok());
  stopping.join();
}

TEST_F(BoundsTest, CancelledUploadFreesEverything) {
  StartServer("rocksdb");
  OpenUpload upload(*stub_, Beginning(kModel));
  WaitUntil([&] { return daemon_->ingest_budget().held_bytes() > 0; });
  EXPECT_GT(daemon_->metadata_budget().held_bytes(), 0u);
  upload.context.TryCancel();
  EXPECT_THAT(upload.Finish(), StatusIs(StatusCode::CANCELLED));
  ExpectFreedSoon();
  EXPECT_EQ(DataKeyCount(), 0);
}

TEST_F(BoundsTest, UploadCancelledWhileItsLastChunksAreEncoded) {
  StartServer();
  OpenUpload upload(*stub_, UploadMessages(kModel, LargeModel()));
  upload.writer->WritesDone();
  upload.context.TryCancel();
  upload.writer->Finish();
  ExpectFreedSoon();
}

TEST_F(BoundsTest, ExpiredDownloadAndVerifyFreeEverything) {
  StartServer("rocksdb");
  MustUpload(kModel, LargeModel());
  const auto deadline = std::chrono::system_clock::now() + milliseconds(300);
  grpc::ClientContext context;
  context.set_deadline(deadline);
  auto download = stub_->Download(&context, OriginalOf(kModel));
  WaitUntil([&] { return daemon_->pinned_bytes().bytes() > 0; });
  grpc::ClientContext verify_context;
  v1::VerifyRequest request;
  *request.mutable_reference() = MakeReference(kModel);
  auto verify = stub_->Verify(&verify_context, request);
  verify_context.TryCancel();
  EXPECT_THAT(download->Finish(), StatusIs(StatusCode::DEADLINE_EXCEEDED));
  verify->Finish();
  ExpectFreedSoon();
}

TEST_F(BoundsTest, StalledClientsLoseTheirPlaces) {
  options_.stall_timeout_seconds = 1;
  StartServer();
  MustUpload(kModel, LargeModel());
  OpenUpload upload(*stub_, {BeginMessage("org/stalled"), FileMessage("a", 1)});
  const auto download_stub = NewStub();
  grpc::ClientContext context;
  auto download = download_stub->Download(&context, OriginalOf(kModel));
  WaitUntil([&] { return daemon_->running_calls() == 2; });
  WaitUntil([&] { return NothingIsHeld(); });
  EXPECT_THAT(upload.Finish(), StatusIs(StatusCode::CANCELLED, "SLOW_CLIENT"));
  v1::DownloadResponse response;
  while (download->Read(&response)) {
  }
  // Although bytes were on their way that it had not taken.
  EXPECT_THAT(download->Finish(),
              StatusIs(StatusCode::CANCELLED, "SLOW_CLIENT: the client took"));
}

// Readers that take nothing pin no more than the buffer, and a value each.
TEST_F(BoundsTest, ManyStalledReadersHoldLittle) {
  options_.download_buffer_bytes = 4u << 20;
  StartServer("rocksdb");
  MustUpload(kModel, LargeModel());
  constexpr int kReaders = 20;
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<v1::ModelStore::Stub>> stubs;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::DownloadResponse>>> calls;
  for (int i = 0; i < kReaders; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    stubs.push_back(NewStub());
    calls.push_back(
        stubs.back()->Download(contexts.back().get(), OriginalOf(kModel)));
  }
  WaitUntil([&] { return daemon_->running_calls() == kReaders; });
  // Long enough to fill what lies between, and to pin what may be pinned.
  uint64_t most_bytes = 0;
  for (int i = 0; i < 100; ++i) {
    most_bytes = std::max(most_bytes, daemon_->pinned_bytes().bytes());
    std::this_thread::sleep_for(milliseconds(5));
  }
  EXPECT_GT(most_bytes, 1u << 20);
  EXPECT_LE(most_bytes,
            options_.download_buffer_bytes + kReaders * model::kMaxValueBytes);
  // One who reads is served in full beside them.
  EXPECT_EQ(Download(*stub_, MakeReference(kModel), kOriginal).files,
            LargeModel());
  for (auto& context : contexts) context->TryCancel();
  for (auto& call : calls) call->Finish();
  ExpectFreedSoon();
}

TEST_F(BoundsTest, WithoutABufferNothingIsReadAhead) {
  options_.download_buffer_bytes = 0;
  StartServer("rocksdb");
  TestModel model = VariedModel(3);
  model.merge(LargeModel());
  MustUpload(kModel, model);
  const DownloadResult result =
      Download(*stub_, MakeReference(kModel), kOriginal);
  EXPECT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_EQ(result.files, model);
  ExpectFreedSoon();
}

// The window opens while the client is quick, and closes to one message as soon
// as it takes long for one.
TEST_F(BoundsTest, ASlowReaderPinsLittleInTheEnd) {
  StartServer("rocksdb");
  MustUpload(kModel, {{"noise.bin", Noise(48u << 20)}});
  // On a busy machine gRPC's client measures long round trips, and enlarges its
  // window until it holds most of the model and no write takes long.
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  const auto stub = NewStub(arguments);
  grpc::ClientContext context;
  auto reader = stub->Download(&context, OriginalOf(kModel));
  v1::DownloadResponse response;
  for (int i = 0; i < 12; ++i) ASSERT_TRUE(reader->Read(&response));
  std::this_thread::sleep_for(milliseconds(100));
  const uint64_t window_bytes = daemon_->pinned_bytes().bytes();
  EXPECT_GT(window_bytes, 3 * model::kMaxValueBytes);
  EXPECT_LE(window_bytes, (kMaxWindowMessages + 1) * model::kMaxValueBytes);
  uint64_t least_bytes = window_bytes;
  for (int i = 0; i < 20 && least_bytes > 4 * model::kMaxValueBytes; ++i) {
    std::this_thread::sleep_for(milliseconds(600));
    least_bytes = std::min(least_bytes, daemon_->pinned_bytes().bytes());
    ASSERT_TRUE(reader->Read(&response));
  }
  // One that is being sent, one in gRPC's hands, and what a write that happened
  // to be quick has opened.
  EXPECT_LE(least_bytes, 4 * model::kMaxValueBytes);
  context.TryCancel();
  EXPECT_THAT(reader->Finish(), StatusIs(StatusCode::CANCELLED));
  ExpectFreedSoon();
}

TEST_F(BoundsTest, ListsOfTensorsHaveABudget) {
  options_.metadata_memory_bytes = 1u << 20;
  StartServer();
  std::vector<TestTensor> tensors;
  tensors.reserve(1200);
  for (int i = 0; i < 1200; ++i) {
    tensors.push_back({"t" + std::to_string(i), Dtype::kU8, {1}, 1});
  }
  EXPECT_THAT(UploadFileFails("model.safetensors", SafetensorsFile(tensors)),
              StatusIs(StatusCode::RESOURCE_EXHAUSTED, "--metadata-memory"));
  tensors.resize(500);
  MustUpload(kModel, {{"model.safetensors", SafetensorsFile(tensors)}});
  EXPECT_TRUE(Download(*stub_, MakeReference(kModel), kInt8).status.ok());
  ExpectFreedSoon();
}

TEST_F(BoundsTest, LongNamesCountInTheBudget) {
  options_.metadata_memory_bytes = 1u << 20;
  StartServer();
  constexpr int kTensors = 10;
  std::vector<TestTensor> tensors;
  tensors.reserve(kTensors);
  for (int i = 0; i < kTensors; ++i) {
    tensors.push_back(
        {std::string(60'000, 'n') + std::to_string(i), Dtype::kU8, {1}, 1});
  }
  EXPECT_THAT(UploadFileFails("model.safetensors", SafetensorsFile(tensors)),
              StatusIs(StatusCode::RESOURCE_EXHAUSTED, "--metadata-memory"));
  tensors.resize(3);
  MustUpload(kModel, {{"model.safetensors", SafetensorsFile(tensors)}});
  ExpectFreedSoon();
}

// What an upload says of itself takes no memory: only what has come does.
TEST_F(BoundsTest, AnnouncedSizesTakeNoMemory) {
  options_.calls.uploads = 4;
  options_.ingest_memory_bytes = 4 * kMaxChunkLeaseBytes;
  StartServer();
  const uint64_t tensor_bytes = uint64_t{1} << 41;
  const std::string json =
      R"({"a.weight":{"dtype":"F32","shape":[536870912,1024],)"
      R"("data_offsets":[0,2199023255552]}})";
  const std::string header = RawSafetensors(json, 1);
  std::vector<std::unique_ptr<OpenUpload>> uploads;
  uploads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    uploads.push_back(std::make_unique<OpenUpload>(
        *stub_,
        std::vector<v1::UploadRequest>{
            BeginMessage("org/m" + std::to_string(i)),
            FileMessage("m.safetensors", header.size() - 1 + tensor_bytes),
            BytesMessage(header)}));
  }
  // Each holds the leases of one chunk, and no list of chunks.
  WaitUntil([&] {
    return daemon_->ingest_budget().held_bytes() >= 4 * (40u << 20) / 2;
  });
  EXPECT_LE(daemon_->ingest_budget().held_bytes(),
            options_.ingest_memory_bytes);
  EXPECT_LE(daemon_->metadata_budget().held_bytes(), 4u * 1024);
  // A header that is longer than what follows, and one that never comes.
  uploads[0]->context.TryCancel();
  EXPECT_THAT(uploads[0]->Finish(), StatusIs(StatusCode::CANCELLED));
  v1::UploadResponse response;
  EXPECT_THAT(
      SendUpload(*stub_,
                 {BeginMessage(kModel), FileMessage("m.safetensors", 1u << 30),
                  BytesMessage(std::string("\0\0\0\x3f\0\0\0\0{", 9))},
                 &response),
      StatusIs(StatusCode::INVALID_ARGUMENT, "allowed"));
  for (auto& upload : uploads) upload->context.TryCancel();
  for (size_t i = 1; i < uploads.size(); ++i) uploads[i]->Finish();
  ExpectFreedSoon();
}

TEST_F(BoundsTest, QuotasHoldAcrossDeletionAndRestart) {
  options_.quotas = {{"org/", 20u << 20}};
  StartServer("rocksdb");
  MustUpload("org/a", LargeModel());  // about 17 MB
  const auto upload = [&](const std::string& name, uint64_t seed) {
    v1::UploadResponse response;
    return SendUpload(
        *stub_,
        UploadMessages(
            name, {{"m.safetensors",
                    SafetensorsFile(
                        {{"w.weight", Dtype::kF32, {2000, 1000}, seed}})}}),
        &response);
  };
  EXPECT_THAT(upload("org/b", 7),
              StatusIs(StatusCode::RESOURCE_EXHAUSTED, "begin with \"org/\""));
  EXPECT_TRUE(upload("other/b", 7).ok());
  // What was refused left nothing, what is there counts after a restart.
  StopServer();
  StartServer("rocksdb");
  EXPECT_THAT(upload("org/b", 7), StatusIs(StatusCode::RESOURCE_EXHAUSTED));
  // Also what others store already: every revision counts whole.
  EXPECT_THAT(upload("org/c", 7), StatusIs(StatusCode::RESOURCE_EXHAUSTED));
  grpc::ClientContext context;
  v1::DeleteRequest request;
  *request.mutable_reference() = MakeReference("org/a");
  v1::DeleteResponse deleted;
  ASSERT_TRUE(stub_->Delete(&context, request, &deleted).ok());
  EXPECT_TRUE(upload("org/b", 7).ok());
  EXPECT_TRUE(upload("org/c", 7).ok());
  // The same revision once more adds nothing.
  EXPECT_TRUE(upload("org/c", 7).ok());
  EXPECT_TRUE(upload("org/d", 8).ok());
}

TEST_F(BoundsTest, DiskReserveRefusesUploadsAlone) {
  StartServer("rocksdb");
  MustUpload(kModel, VariedModel(1));
  StopServer();
  options_.disk_reserve_bytes = uint64_t{1} << 60;
  StartServer("rocksdb");
  v1::UploadResponse response;
  const grpc::Status status =
      SendUpload(*stub_, UploadMessages("org/b", {{"f", "x"}}), &response);
  EXPECT_THAT(status, StatusIs(StatusCode::RESOURCE_EXHAUSTED, "disk has"));
  // Trying again by itself would not help.
  EXPECT_EQ(status.error_details().find("google.rpc.RetryInfo"),
            std::string::npos);
  EXPECT_TRUE(Download(*stub_, MakeReference(kModel), kInt8).status.ok());
  grpc::ClientContext context;
  v1::DeleteRequest request;
  *request.mutable_reference() = MakeReference(kModel);
  v1::DeleteResponse deleted;
  EXPECT_TRUE(stub_->Delete(&context, request, &deleted).ok());
  EXPECT_EQ(DataKeyCount(), 0);
}

}  // namespace
}  // namespace qstore::server
