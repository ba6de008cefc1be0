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
  v1::ListModelsResponse ListModels(const std::string& prefix) {
    grpc::ClientContext context;
    v1::ListModelsRequest request;
    request.set_prefix(prefix);
    v1::ListModelsResponse response;
    EXPECT_TRUE(stub_->ListModels(&context, request, &response).ok());
    EXPECT_EQ(response.next_page_token(), "");
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
  EXPECT_EQ(Download(*stub_, MakeReference("other/b"), kOriginal).files,
            VariedModel(1));
  ASSERT_TRUE(Delete(MakeReference("org/a"), &deleted).ok());
  ASSERT_TRUE(Delete(MakeReference("other/b"), &deleted).ok());
  EXPECT_GT(deleted.reclaimed_bytes(), 0u);
  EXPECT_EQ(DataKeyCount(), 0);
}

TEST_P(ServiceTest, ErrorsNameWhatIsMissing) {
  v1::DeleteResponse deleted;
  model::Manifest manifest;
  v1::VerifyResponse verified;
  const v1::Reference none = MakeReference("org/none");
  EXPECT_THAT(Delete(none, &deleted),
              StatusIs(StatusCode::NOT_FOUND, "org/none"));
  EXPECT_THAT(SetTag(none, "x"), StatusIs(StatusCode::NOT_FOUND, "org/none"));
  EXPECT_THAT(Verify(*stub_, none, &verified), StatusIs(StatusCode::NOT_FOUND));
  const grpc::Status status = ReadManifest(*stub_, none, &manifest);
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
  model::Manifest manifest;
  uint64_t page_count = 0;
  ASSERT_TRUE(
      ReadManifest(*stub_, MakeReference(kModel), &manifest, &page_count).ok());
  EXPECT_EQ(page_count, 1u);
  EXPECT_EQ(manifest.revision, uploaded.revision());
  EXPECT_THAT(manifest.tags, ElementsAre("latest"));
  EXPECT_EQ(manifest.quantizer, "absmax");
  EXPECT_EQ(manifest.files.size(), VariedModel(1).size());
  uint64_t quantized = 0;
  for (const model::File& file : manifest.files) {
    for (const model::Segment& segment : file.segments) {
      const model::Object& object = manifest.objects[segment.object_index];
      quantized += object.quantized() ? 1 : 0;
      const model::LayerBytes payload = model::PayloadBytes(object);
      EXPECT_EQ(object.quantized(), payload.of(kInt8) > 0)
          << segment.tensor_name;
      EXPECT_EQ(object.quantized(), payload.of(kResidual) > 0);
      if (segment.tensor_name == "layer.0.prime.weight") {
        EXPECT_THAT(object.shape, ElementsAre(13, 17));
        EXPECT_EQ(object.dtype, Dtype::kF32);
        EXPECT_EQ(object.raw_bytes, 13 * 17 * 4u);
      }
    }
  }
  EXPECT_EQ(quantized, 5u);
  const DownloadResult download =
      Download(*stub_, MakeReference(kModel), kOriginal);
  // One truth on the wire: the download says the same.
  EXPECT_TRUE(download.manifest.files == manifest.files);
  EXPECT_TRUE(download.manifest.objects == manifest.objects);
  EXPECT_EQ(download.manifest.stored, manifest.stored);
  EXPECT_EQ(download.manifest.tags, manifest.tags);
  // The copy shares its object, which is counted and sent once.
  model::LayerBytes payload;
  for (const model::Object& object : manifest.objects) {
    payload += model::PayloadBytes(object);
  }
  EXPECT_EQ(payload, download.received);
  // Four distinct quantized objects of one value each: as sent, plus keys.
  EXPECT_EQ(manifest.stored.of(kInt8), payload.of(kInt8) + 4 * 15);
  EXPECT_GT(manifest.stored.other(), payload.other());  // records
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
      Download(*stub_, MakeReference(kModel), kOriginal);
  EXPECT_EQ(last.checked_bytes(), download.received.total());
}

TEST_P(ServiceTest, VerifyNamesEveryDamagedTensor) {
  MustUpload(kModel, VariedModel(1));
  DamageReads(kInt8);
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
