// Downloads that fail, stop or compete.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "server/download/download_call.h"
#include "tests/server/server_fixture.h"

namespace qstore::server {
namespace {

using grpc::StatusCode;

class DownloadTest : public EveryEngineTest {};
INSTANTIATE_TEST_SUITE_P(Engines, DownloadTest,
                         ::testing::Values("memory", "rocksdb"),
                         [](const auto& param) { return param.param; });

// Too much to fit the buffers of a connection whose client does not read.
TestModel LargeModel() {
  return {{"model.safetensors",
           SafetensorsFile({{"big.weight", Dtype::kBF16, {512, 4096}, 1},
                            {"bytes", Dtype::kU8, {16u << 20}, 2}})}};
}

TEST_P(DownloadTest, UnknownNamesAndPrecisions) {
  MustUpload(kModel, {{"config.json", "{}"}});
  const auto download = [&](const v1::Reference& reference, int precision) {
    v1::DownloadRequest request = MakeDownload(reference);
    request.set_precision(static_cast<v1::Precision>(precision));
    return Download(*stub_, request).status;
  };
  EXPECT_THAT(download(MakeReference("org/none"), v1::PRECISION_INT8),
              StatusIs(StatusCode::NOT_FOUND, "org/none"));
  EXPECT_THAT(download(MakeReference(kModel, "none"), v1::PRECISION_INT8),
              StatusIs(StatusCode::NOT_FOUND, "none"));
  EXPECT_THAT(download(MakeReference("../etc"), v1::PRECISION_INT8),
              StatusIs(StatusCode::INVALID_ARGUMENT));
  for (const int precision : {0, 3, 8, 258, -1}) {
    EXPECT_THAT(download(MakeReference(kModel), precision),
                StatusIs(StatusCode::INVALID_ARGUMENT,
                         "precision " + std::to_string(precision)));
  }
  ExpectIdle();
}

TEST_P(DownloadTest, CancelFreesEverything) {
  MustUpload(kModel, LargeModel());
  for (const int messages_read : {0, 1, 5}) {
    grpc::ClientContext context;
    auto reader =
        stub_->Download(&context, MakeDownload(MakeReference(kModel)));
    v1::DownloadResponse response;
    for (int i = 0; i < messages_read; ++i) {
      ASSERT_TRUE(reader->Read(&response));
    }
    context.TryCancel();
    while (reader->Read(&response)) {
    }
    EXPECT_THAT(reader->Finish(), StatusIs(StatusCode::CANCELLED));
    ExpectIdle();
  }
}

TEST_P(DownloadTest, DeletedWhileItIsRead) {
  const TestModel model = LargeModel();
  MustUpload(kModel, model);
  grpc::ClientContext context;
  auto reader =
      stub_->Download(&context, MakeDownload(MakeReference(kModel), kInt8));
  v1::DownloadResponse response;
  ASSERT_TRUE(reader->Read(&response));

  grpc::ClientContext delete_context;
  v1::DeleteRequest delete_request;
  *delete_request.mutable_reference() = MakeReference(kModel);
  v1::DeleteResponse deleted;
  ASSERT_TRUE(stub_->Delete(&delete_context, delete_request, &deleted).ok());
  EXPECT_TRUE(deleted.revision_deleted());

  bool ended = false;
  while (reader->Read(&response)) ended = response.has_end();
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_TRUE(ended);
  ExpectIdle();
  EXPECT_THAT(Download(*stub_, MakeReference(kModel), kInt8).status,
              StatusIs(StatusCode::NOT_FOUND));
  EXPECT_EQ(DataKeyCount(), 0);
}

TEST_P(DownloadTest, DamagedValuesNameTensorAndChunk) {
  MustUpload(kModel,
             {{"model.safetensors",
               SafetensorsFile({{"x.weight", Dtype::kBF16, {32, 64}, 1}})}});
  DamageReads(kResidual);
  const grpc::Status status =
      Download(*stub_, MakeReference(kModel), kOriginal).status;
  for (const char* part : {kModel, "file \"model.safetensors\"",
                           "tensor \"x.weight\"", "chunk 0"}) {
    EXPECT_THAT(status, StatusIs(StatusCode::DATA_LOSS, part));
  }
  EXPECT_TRUE(Download(*stub_, MakeReference(kModel), kInt8).status.ok());
  ExpectIdle();
}

TEST_P(DownloadTest, ConcurrentUploadsAndDownloads) {
  MustUpload("org/shared", VariedModel(1));
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < 4; ++i) {
    threads.emplace_back([this, i] {
      const auto stub = NewStub();
      const std::string name = "org/m" + std::to_string(i);
      const TestModel model = VariedModel(100 * i);
      v1::UploadResponse response;
      for (int round = 0; round < 3; ++round) {
        EXPECT_TRUE(
            SendUpload(*stub, UploadMessages(name, model), &response).ok());
        EXPECT_EQ(Download(*stub, MakeReference(name), kOriginal).files, model);
      }
    });
    threads.emplace_back([this] {
      const auto stub = NewStub();
      const TestModel model = VariedModel(1);
      for (int round = 0; round < 6; ++round) {
        const DownloadResult result =
            Download(*stub, MakeReference("org/shared"), kOriginal);
        EXPECT_TRUE(result.status.ok()) << result.status.error_message();
        EXPECT_EQ(result.files, model);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ExpectIdle();
}

class DownloadLimitsTest : public ServerTest {};

TEST_F(DownloadLimitsTest, TooManyDownloadsAtOnce) {
  options_.calls.downloads = 1;
  options_.calls.queued = 0;
  StartServer();
  MustUpload(kModel, LargeModel());
  grpc::ClientContext context;
  auto first = stub_->Download(&context, MakeDownload(MakeReference(kModel)));
  v1::DownloadResponse response;
  ASSERT_TRUE(first->Read(&response));
  const grpc::Status second =
      Download(*stub_, MakeReference(kModel), kInt8).status;
  EXPECT_THAT(second, StatusIs(StatusCode::RESOURCE_EXHAUSTED, "1 downloads"));
  while (first->Read(&response)) {
  }
  EXPECT_TRUE(first->Finish().ok());
  ExpectIdle();
  EXPECT_TRUE(Download(*stub_, MakeReference(kModel), kInt8).status.ok());
}

TEST_F(DownloadLimitsTest, ASlowReaderPinsLittle) {
  StartServer();
  MustUpload(kModel, LargeModel());
  grpc::ClientContext context;
  auto reader = stub_->Download(&context, MakeDownload(MakeReference(kModel)));
  v1::DownloadResponse response;
  ASSERT_TRUE(reader->Read(&response));
  // The server fills the connection's buffers and its window, no more.
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_GT(daemon_->pinned_bytes().bytes(), 0u);
  EXPECT_LE(daemon_->pinned_bytes().bytes(),
            (kMaxWindowMessages + 2) * model::kMaxValueBytes);
  context.TryCancel();
  while (reader->Read(&response)) {
  }
  EXPECT_THAT(reader->Finish(), StatusIs(StatusCode::CANCELLED));
  ExpectIdle();
}

// Flips one byte of the largest table file under `directory`.
void DamageLargestTable(const std::filesystem::path& directory) {
  std::filesystem::path largest;
  uintmax_t largest_bytes = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.path().extension() == ".sst" &&
        entry.file_size() > largest_bytes) {
      largest = entry.path();
      largest_bytes = entry.file_size();
    }
  }
  ASSERT_FALSE(largest.empty());
  std::fstream file(largest, std::ios::in | std::ios::out | std::ios::binary);
  const auto middle = static_cast<std::streamoff>(largest_bytes / 2);
  file.seekg(middle);
  const char byte = static_cast<char>(file.get());
  file.seekp(middle);
  file.put(static_cast<char>(byte ^ 0x20));
}

TEST_F(DownloadLimitsTest, DamageAtRestIsFoundByDownloadAndVerify) {
  StartServer("rocksdb");
  MustUpload(kModel,
             {{"model.safetensors",
               SafetensorsFile({{"big.weight", Dtype::kF32, {300, 1000}, 1},
                                {"small", Dtype::kU8, {100}, 2}})}});
  StopServer();
  DamageLargestTable(directory_.path());
  StartServer("rocksdb");
  const grpc::Status status =
      Download(*stub_, MakeReference(kModel), kOriginal).status;
  EXPECT_THAT(status, StatusIs(StatusCode::DATA_LOSS, "\"big.weight\""));
  EXPECT_THAT(status, StatusIs(StatusCode::DATA_LOSS, "chunk 0"));

  v1::VerifyResponse last;
  EXPECT_TRUE(Verify(*stub_, MakeReference(kModel), &last).ok());
  EXPECT_TRUE(last.done());
  ASSERT_EQ(last.problems_size(), 1) << last.ShortDebugString();
  EXPECT_NE(last.problems(0).find("\"big.weight\": chunk 0"), std::string::npos)
      << last.problems(0);
}

}  // namespace
}  // namespace qstore::server
