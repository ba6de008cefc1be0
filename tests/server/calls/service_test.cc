// The short calls, verification, health and shutdown.

#include <gtest/gtest.h>

#include <thread>

#include "server/health_probe.h"
#include "tests/server/server_fixture.h"

namespace qstore::server {
namespace {

using grpc::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ServiceTest : public EveryEngineTest {
 protected:
  grpc::Status SetTag(const v1::Reference& reference, const std::string& tag) {
    grpc::ClientContext context;
    v1::SetTagRequest request;
    *request.mutable_reference() = reference;
    request.set_tag(tag);
    v1::SetTagResponse response;
    return stub_->SetTag(&context, request, &response);
  }
  grpc::Status Delete(const v1::Reference& reference,
                      v1::DeleteResponse* response) {
    grpc::ClientContext context;
    v1::DeleteRequest request;
    *request.mutable_reference() = reference;
    return stub_->Delete(&context, request, response);
  }
  grpc::Status GetRevision(const v1::Reference& reference,
                           v1::GetRevisionResponse* response) {
    grpc::ClientContext context;
    v1::GetRevisionRequest request;
    *request.mutable_reference() = reference;
    return stub_->GetRevision(&context, request, response);
  }
  v1::ListModelsResponse ListModels(const std::string& prefix) {
    grpc::ClientContext context;
    v1::ListModelsRequest request;
    request.set_prefix(prefix);
    v1::ListModelsResponse response;
    EXPECT_TRUE(stub_->ListModels(&context, request, &response).ok());
    return response;
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, ServiceTest,
                         ::testing::Values("memory", "rocksdb"),
                         [](const auto& param) { return param.param; });

TEST_P(ServiceTest, ListTagAndDelete) {
  const std::string first = MustUpload("org/a", VariedModel(1)).revision();
  const std::string second = MustUpload("org/a", VariedModel(2)).revision();
  MustUpload("other/b", VariedModel(1));

  v1::Reference first_revision = MakeReference("org/a");
  first_revision.set_revision(first.substr(0, 10));
  EXPECT_TRUE(SetTag(first_revision, "prod").ok());
  const v1::ListModelsResponse listed = ListModels("org/");
  ASSERT_EQ(listed.models_size(), 1);
  EXPECT_EQ(listed.models(0).name(), "org/a");
  EXPECT_THAT(listed.models(0).revisions(), ElementsAre(second, first));
  ASSERT_EQ(listed.models(0).tags_size(), 2);
  EXPECT_EQ(listed.models(0).tags(0).name(), "latest");
  EXPECT_EQ(listed.models(0).tags(0).revision(), second);
  EXPECT_EQ(listed.models(0).tags(1).revision(), first);
  EXPECT_EQ(ListModels("").models_size(), 2);

  v1::DeleteResponse deleted;
  ASSERT_TRUE(Delete(MakeReference("org/a", "prod"), &deleted).ok());
  EXPECT_TRUE(deleted.revision_deleted());
  EXPECT_EQ(deleted.revision(), first);
  EXPECT_THAT(deleted.removed_tags(), ElementsAre("prod"));
  EXPECT_EQ(
      Download(*stub_, MakeReference("other/b"), v1::PRECISION_ORIGINAL).files,
      VariedModel(1));
  ASSERT_TRUE(Delete(MakeReference("org/a"), &deleted).ok());
  ASSERT_TRUE(Delete(MakeReference("other/b"), &deleted).ok());
  EXPECT_GT(deleted.reclaimed_bytes(), 0u);
  EXPECT_EQ(DataKeyCount(), 0);
}

TEST_P(ServiceTest, ErrorsNameWhatIsMissing) {
  v1::DeleteResponse deleted;
  v1::GetRevisionResponse revision;
  v1::VerifyResponse verified;
  const v1::Reference none = MakeReference("org/none");
  EXPECT_THAT(Delete(none, &deleted),
              StatusIs(StatusCode::NOT_FOUND, "org/none"));
  EXPECT_THAT(SetTag(none, "x"), StatusIs(StatusCode::NOT_FOUND, "org/none"));
  EXPECT_THAT(Verify(*stub_, none, &verified), StatusIs(StatusCode::NOT_FOUND));
  const grpc::Status status = GetRevision(none, &revision);
  EXPECT_THAT(status, StatusIs(StatusCode::NOT_FOUND, "org/none"));
  EXPECT_THAT(status.error_details(), HasSubstr("google.rpc.ResourceInfo"));
  EXPECT_THAT(SetTag(MakeReference("a b"), "x"),
              StatusIs(StatusCode::INVALID_ARGUMENT));
  MustUpload(kModel, {{"f", "x"}});
  EXPECT_THAT(SetTag(MakeReference(kModel), "not/a/tag"),
              StatusIs(StatusCode::INVALID_ARGUMENT));
}

TEST_P(ServiceTest, GetRevisionAddsUp) {
  const v1::UploadResponse uploaded = MustUpload(kModel, VariedModel(1));
  v1::GetRevisionResponse revision;
  ASSERT_TRUE(GetRevision(MakeReference(kModel), &revision).ok());
  EXPECT_EQ(revision.revision(), uploaded.revision());
  EXPECT_THAT(revision.tags(), ElementsAre("latest"));
  EXPECT_EQ(revision.quantizer(), "absmax");
  EXPECT_EQ(revision.files_size(), static_cast<int>(VariedModel(1).size()));
  const DownloadResult download =
      Download(*stub_, MakeReference(kModel), v1::PRECISION_ORIGINAL);
  uint64_t quantized = 0;
  uint64_t int8_bytes = 0;
  for (const v1::FileSummary& file : revision.files()) {
    for (const v1::TensorSummary& tensor : file.tensors()) {
      quantized += tensor.quantized() ? 1 : 0;
      EXPECT_EQ(tensor.quantized(), tensor.int8_bytes() > 0) << tensor.name();
      EXPECT_EQ(tensor.quantized(), tensor.residual_bytes() > 0);
      if (tensor.name() == "layer.0.prime.weight") {
        EXPECT_THAT(tensor.shape(), ElementsAre(13, 17));
        EXPECT_EQ(tensor.dtype(), "F32");
        EXPECT_EQ(tensor.raw_bytes(), 13 * 17 * 4u);
      }
      // The copy shares its object, which is counted and sent once.
      if (tensor.name() != "layer.0.copy_of_query.weight") {
        int8_bytes += tensor.int8_bytes();
      }
    }
  }
  EXPECT_EQ(quantized, 5u);
  // Four distinct quantized objects of one chunk: as sent, plus a key each.
  EXPECT_EQ(int8_bytes, download.received.int8() + 4 * 13);
}

TEST_P(ServiceTest, VerifyFindsNothingInAGoodRevision) {
  MustUpload(kModel, VariedModel(1));
  v1::VerifyResponse last;
  ASSERT_TRUE(Verify(*stub_, MakeReference(kModel), &last).ok());
  EXPECT_TRUE(last.done());
  EXPECT_EQ(last.problems_size(), 0) << last.ShortDebugString();
  EXPECT_GT(last.total_objects(), 10u);
  EXPECT_EQ(last.checked_objects(), last.total_objects());
  const DownloadResult download =
      Download(*stub_, MakeReference(kModel), v1::PRECISION_ORIGINAL);
  const v1::BytesByKind& received = download.received;
  EXPECT_EQ(last.checked_bytes(), received.int8() + received.residual() +
                                      received.plain() + received.other());
}

TEST_P(ServiceTest, VerifyNamesEveryDamagedTensor) {
  MustUpload(kModel, VariedModel(1));
  faults_->DamageReads(storage::Family::kInt8);
  v1::VerifyResponse last;
  ASSERT_TRUE(Verify(*stub_, MakeReference(kModel), &last).ok());
  EXPECT_EQ(last.problems_size(), 4);
  EXPECT_THAT(last.problems(0), HasSubstr("tensor \"layer.0.query.weight\""));
  EXPECT_THAT(last.problems(0), HasSubstr("chunk 0"));
}

TEST_P(ServiceTest, HealthAndShutdown) {
  const std::string address = daemon_->address();
  EXPECT_TRUE(ProbeHealth(address).ok());
  daemon_->Shutdown(std::chrono::seconds(5));
  EXPECT_FALSE(ProbeHealth(address).ok());
  daemon_->Shutdown(std::chrono::seconds(5));  // nothing more to do
}

TEST_P(ServiceTest, GraceLetsRunningUploadsFinish) {
  grpc::ClientContext context;
  v1::UploadResponse response;
  auto writer = stub_->Upload(&context, &response);
  ASSERT_TRUE(writer->Write(BeginMessage(kModel)));
  ASSERT_TRUE(writer->Write(FileMessage("f", 1)));
  while (daemon_->running_calls() < 1) std::this_thread::yield();
  std::thread stopping([this] { daemon_->Shutdown(std::chrono::seconds(20)); });
  // New calls are refused, and probes see it, while the old one goes on.
  grpc::Status refused;
  do {
    grpc::ClientContext list_context;
    v1::ListModelsResponse models;
    refused = stub_->ListModels(&list_context, {}, &models);
  } while (refused.ok());
  EXPECT_THAT(refused, StatusIs(StatusCode::UNAVAILABLE, "shutting down"));
  EXPECT_THAT(std::string(ProbeHealth(daemon_->address()).message()),
              HasSubstr("not serving"));
  ASSERT_TRUE(writer->Write(BytesMessage("x")));
  ASSERT_TRUE(writer->Write(EndMessage(1, 1)));
  writer->WritesDone();
  EXPECT_TRUE(writer->Finish().ok());
  stopping.join();
}

TEST_P(ServiceTest, AfterTheGraceCallsAreCancelled) {
  grpc::ClientContext context;
  v1::UploadResponse response;
  auto writer = stub_->Upload(&context, &response);
  ASSERT_TRUE(writer->Write(BeginMessage(kModel)));
  while (daemon_->running_calls() < 1) std::this_thread::yield();
  daemon_->Shutdown(std::chrono::milliseconds(50));
  EXPECT_FALSE(writer->Finish().ok());
}

class StartTest : public ServerTest {};

TEST_F(StartTest, BadOptionsAreSentences) {
  options_.ingest_memory_bytes = 1u << 20;
  auto daemon = Daemon::StartWithEngine(options_, {});
  EXPECT_THAT(std::string(daemon.status().message()),
              HasSubstr("--ingest-memory is 1 MiB, but 8 uploads"));
  options_ = ServerOptions();
  options_.engine = "none";
  daemon = Daemon::Start(options_);
  EXPECT_THAT(std::string(daemon.status().message()),
              HasSubstr("use one of rocksdb, memory"));
}

TEST_F(StartTest, PortInUse) {
  StartServer();
  ServerOptions options;
  options.engine = "memory";
  options.listen = daemon_->address();
  const auto second = Daemon::Start(options);
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr("cannot listen on " + daemon_->address()));
}

}  // namespace
}  // namespace qstore::server
