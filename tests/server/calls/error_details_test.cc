// The reasons that a whole server gives for what clients do wrong or meet.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "grpcpp/create_channel.h"
#include "qstore/v1/model_store.grpc.pb.h"
#include "server/daemon.h"
#include "tests/server/calls/call_server.h"
#include "tests/server/calls/log_lines.h"

namespace qstore::server {
namespace {

using grpc::StatusCode;

MATCHER_P2(FailsWith, code, reason, "") {
  *result_listener << "code " << arg.error_code() << ": "
                   << arg.error_message();
  return arg.error_code() == code && ErrorInfoOf(arg).reason() == reason;
}

v1::UploadRequest Begin(const std::string& model) {
  v1::UploadRequest request;
  request.mutable_begin()->set_model(model);
  return request;
}

v1::UploadRequest File(const std::string& path, uint64_t size_bytes) {
  v1::UploadRequest request;
  request.mutable_file()->set_path(path);
  request.mutable_file()->set_size_bytes(size_bytes);
  return request;
}

v1::UploadRequest Bytes(const std::string& payload) {
  v1::UploadRequest request;
  request.mutable_bytes()->set_payload(payload);
  request.mutable_bytes()->set_xxh3(Xxh3(AsBytes(payload)));
  return request;
}

v1::UploadRequest End(uint64_t file_count, uint64_t total_bytes) {
  v1::UploadRequest request;
  request.mutable_end()->set_file_count(file_count);
  request.mutable_end()->set_total_bytes(total_bytes);
  return request;
}

class ErrorDetailsTest : public ::testing::Test {
 protected:
  ErrorDetailsTest() {
    options_.listen = "127.0.0.1:0";
    options_.engine = "memory";
    options_.scrub_interval_hours = 0;
  }

  void Start() {
    auto daemon = Daemon::Start(options_);
    ASSERT_TRUE(daemon.ok()) << daemon.status();
    daemon_ = *std::move(daemon);
    const auto channel = grpc::CreateChannel(
        daemon_->address(), grpc::InsecureChannelCredentials());
    stub_ = v1::ModelStore::NewStub(channel);
    admin_ = v1::Admin::NewStub(channel);
  }

  grpc::Status Upload(const std::vector<v1::UploadRequest>& messages) {
    grpc::ClientContext context;
    v1::UploadResponse response;
    const auto writer = stub_->Upload(&context, &response);
    for (const v1::UploadRequest& message : messages) {
      if (!writer->Write(message)) break;
    }
    writer->WritesDone();
    grpc::Status status = writer->Finish();
    revision_ = response.revision();
    return status;
  }

  grpc::Status UploadFile(const std::string& model, const std::string& path,
                          const std::string& content) {
    return Upload({Begin(model), File(path, content.size()), Bytes(content),
                   End(1, content.size())});
  }

  grpc::Status Delete(const v1::Reference& reference) {
    grpc::ClientContext context;
    v1::DeleteRequest request;
    *request.mutable_reference() = reference;
    v1::DeleteResponse response;
    return stub_->Delete(&context, request, &response);
  }

  grpc::Status Download(const v1::DownloadRequest& request) {
    grpc::ClientContext context;
    const auto reader = stub_->Download(&context, request);
    v1::DownloadResponse message;
    while (reader->Read(&message)) {
    }
    return reader->Finish();
  }

  static v1::Reference Reference(const std::string& model) {
    v1::Reference reference;
    reference.set_model(model);
    return reference;
  }

  ServerOptions options_;
  std::unique_ptr<Daemon> daemon_;
  std::unique_ptr<v1::ModelStore::Stub> stub_;
  std::unique_ptr<v1::Admin::Stub> admin_;
  std::string revision_;  // of the last upload
};

TEST_F(ErrorDetailsTest, NamesThatNameNothing) {
  Start();
  ASSERT_TRUE(UploadFile("org/model", "a.txt", "text").ok());
  v1::Reference reference = Reference("org/none");
  grpc::Status status = Delete(reference);
  EXPECT_THAT(status, FailsWith(StatusCode::NOT_FOUND, "MODEL_NOT_FOUND"));
  EXPECT_EQ(ErrorInfoOf(status).metadata().at("model"), "org/none");
  reference = Reference("org/model");
  reference.set_tag("v9");
  EXPECT_THAT(Delete(reference),
              FailsWith(StatusCode::NOT_FOUND, "TAG_NOT_FOUND"));
  reference.set_revision("0123456789");
  status = Delete(reference);
  EXPECT_THAT(status, FailsWith(StatusCode::NOT_FOUND, "REVISION_NOT_FOUND"));
  EXPECT_EQ(ErrorInfoOf(status).metadata().at("revision"), "0123456789");
  reference.set_tag("no tag");
  EXPECT_THAT(Delete(reference),
              FailsWith(StatusCode::INVALID_ARGUMENT, "INVALID_NAME"));
  v1::DownloadRequest download;
  *download.mutable_reference() = Reference("org/none");
  download.set_precision(v1::PRECISION_ORIGINAL);
  EXPECT_THAT(Download(download),
              FailsWith(StatusCode::NOT_FOUND, "MODEL_NOT_FOUND"));
}

TEST_F(ErrorDetailsTest, RequestsThatSayNothing) {
  Start();
  ASSERT_TRUE(UploadFile("org/model", "a.txt", "text").ok());
  v1::DownloadRequest download;
  *download.mutable_reference() = Reference("org/model");
  EXPECT_THAT(Download(download),
              FailsWith(StatusCode::INVALID_ARGUMENT, "INVALID_SELECTION"));
  download.set_precision(v1::PRECISION_ORIGINAL);
  download.mutable_selection()->add_files("b.*");
  const grpc::Status unmatched = Download(download);
  EXPECT_THAT(unmatched,
              FailsWith(StatusCode::INVALID_ARGUMENT, "INVALID_SELECTION"));
  EXPECT_EQ(ErrorInfoOf(unmatched).metadata().at("revision"), revision_);
  {
    grpc::ClientContext context;
    v1::ListModelsRequest request;
    request.set_page_token("none");
    v1::ListModelsResponse response;
    EXPECT_THAT(stub_->ListModels(&context, request, &response),
                FailsWith(StatusCode::INVALID_ARGUMENT, "INVALID_PAGE_TOKEN"));
  }
  {
    grpc::ClientContext context;
    v1::GetRevisionRequest request;
    *request.mutable_reference() = Reference("org/model");
    request.set_page_token("none");
    v1::GetRevisionResponse response;
    EXPECT_THAT(stub_->GetRevision(&context, request, &response),
                FailsWith(StatusCode::INVALID_ARGUMENT, "INVALID_PAGE_TOKEN"));
  }
  {
    grpc::ClientContext context;
    v1::CreateBackupRequest request;
    request.set_name("b");
    v1::CreateBackupResponse response;
    EXPECT_THAT(admin_->CreateBackup(&context, request, &response),
                FailsWith(StatusCode::FAILED_PRECONDITION, "BACKUPS_OFF"));
  }
}

TEST_F(ErrorDetailsTest, UploadsThatCannotBeTaken) {
  options_.ingest_limits.max_file_bytes = 1000;
  options_.quotas = {{"small/", 100}};
  Start();
  EXPECT_THAT(Upload({File("f", 1)}),
              FailsWith(StatusCode::INVALID_ARGUMENT, "INVALID_REQUEST"));
  EXPECT_THAT(UploadFile("no model", "f", "x"),
              FailsWith(StatusCode::INVALID_ARGUMENT, "INVALID_NAME"));
  EXPECT_THAT(UploadFile("org/model", "../f", "x"),
              FailsWith(StatusCode::INVALID_ARGUMENT, "INVALID_NAME"));
  EXPECT_THAT(UploadFile("org/model", "f", std::string(1001, 'x')),
              FailsWith(StatusCode::INVALID_ARGUMENT, "UPLOAD_TOO_LARGE"));
  EXPECT_THAT(UploadFile("org/model", "f.safetensors", std::string(100, 'x')),
              FailsWith(StatusCode::INVALID_ARGUMENT, "INVALID_SAFETENSORS"));
  EXPECT_THAT(UploadFile("small/model", "f", std::string(900, 'x')),
              FailsWith(StatusCode::RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED"));
  v1::UploadRequest begin = Begin("org/model");
  begin.mutable_begin()->mutable_quantization()->set_quantizer("none such");
  EXPECT_THAT(Upload({begin}),
              FailsWith(StatusCode::INVALID_ARGUMENT, "INVALID_QUANTIZATION"));
  v1::UploadRequest damaged = Bytes("text");
  damaged.mutable_bytes()->set_xxh3(1);
  EXPECT_THAT(Upload({Begin("org/model"), File("f", 4), damaged}),
              FailsWith(StatusCode::DATA_LOSS, "DAMAGED_IN_TRANSIT"));
  begin = Begin("org/model");
  begin.mutable_begin()->set_upload_key("key");
  begin.mutable_begin()->mutable_resume()->set_file_count(1);
  EXPECT_THAT(Upload({begin}),
              FailsWith(StatusCode::ABORTED, "UPLOAD_NOT_RESUMABLE"));
}

TEST_F(ErrorDetailsTest, CallsThatFindNoPlace) {
  options_.calls.uploads = 1;
  options_.calls.queued = 0;
  Start();
  grpc::ClientContext context;
  v1::UploadResponse response;
  const auto first = stub_->Upload(&context, &response);
  ASSERT_TRUE(first->Write(Begin("org/model")));
  while (daemon_->running_calls() == 0) std::this_thread::yield();
  const grpc::Status status = UploadFile("org/other", "f", "x");
  EXPECT_THAT(status,
              FailsWith(StatusCode::RESOURCE_EXHAUSTED, "TOO_MANY_CALLS"));
  EXPECT_TRUE(HasRetryInfo(status));
  context.TryCancel();
  first->Finish();
}

// Its stream is reset, with which no details go: the reason is in the sentence.
TEST_F(ErrorDetailsTest, ClientsThatDoNothing) {
  options_.stall_timeout_seconds = 1;
  const LogLines lines;
  Start();
  grpc::ClientContext context;
  v1::UploadResponse response;
  const auto writer = stub_->Upload(&context, &response);
  ASSERT_TRUE(writer->Write(Begin("org/model")));
  const grpc::Status status = writer->Finish();
  EXPECT_EQ(status.error_code(), StatusCode::CANCELLED);
  EXPECT_EQ(status.error_message(),
            "SLOW_CLIENT: the client sent nothing for 1s");
  daemon_->Shutdown(std::chrono::seconds(5));
  EXPECT_THAT(lines.str(), ::testing::HasSubstr("(SLOW_CLIENT)"));
  EXPECT_EQ(daemon_->call_counts()
                .totals()
                .at({"Upload", absl::StatusCode::kCancelled})
                .call_count,
            1u);
}

TEST_F(ErrorDetailsTest, TheLogHasTheCountsAtShutdown) {
  LogLines lines;
  spdlog::set_level(spdlog::level::debug);
  Start();
  EXPECT_FALSE(Delete(Reference("org/none")).ok());
  lines.clear();
  daemon_->Shutdown(std::chrono::seconds(5));
  EXPECT_THAT(lines.str(),
              ::testing::HasSubstr(
                  "calls until shutdown: Delete NOT_FOUND: 1 calls, 0 B, "));
}

TEST_F(ErrorDetailsTest, TheDaemonCountsItsCalls) {
  Start();
  ASSERT_TRUE(UploadFile("org/model", "a.txt", "text").ok());
  v1::DownloadRequest download;
  *download.mutable_reference() = Reference("org/model");
  download.set_precision(v1::PRECISION_ORIGINAL);
  EXPECT_TRUE(Download(download).ok());
  EXPECT_FALSE(Delete(Reference("org/none")).ok());
  const CallCounts::Totals totals = daemon_->call_counts().totals();
  ASSERT_EQ(totals.size(), 3u);
  EXPECT_EQ(totals.at({"Upload", absl::StatusCode::kOk}).payload_bytes, 4u);
  EXPECT_GE(totals.at({"Download", absl::StatusCode::kOk}).payload_bytes, 4u);
  EXPECT_EQ(totals.at({"Delete", absl::StatusCode::kNotFound}).call_count, 1u);
}

TEST_F(ErrorDetailsTest, DownloadsTellTheirRequestId) {
  Start();
  grpc::ClientContext context;
  context.AddMetadata("x-request-id", "mine-1");
  v1::DownloadRequest download;
  *download.mutable_reference() = Reference("org/none");
  download.set_precision(v1::PRECISION_ORIGINAL);
  const auto reader = stub_->Download(&context, download);
  v1::DownloadResponse message;
  EXPECT_FALSE(reader->Read(&message));
  EXPECT_FALSE(reader->Finish().ok());
  const auto& metadata = context.GetServerInitialMetadata();
  ASSERT_EQ(metadata.count("x-request-id"), 1u);
  EXPECT_EQ(metadata.find("x-request-id")->second, "mine-1");
}

}  // namespace
}  // namespace qstore::server
