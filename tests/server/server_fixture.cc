#include "tests/server/server_fixture.h"

#include <grpcpp/create_channel.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

#include "server/engines.h"
#include "storage/blobs/metered_blob_store.h"
#include "storage/records/metered_record_store.h"

namespace qstore::server {

ServerOptions ServerTest::SmallOptions() {
  spdlog::set_level(spdlog::level::off);
  ServerOptions options;
  options.listen = "127.0.0.1:0";
  options.threads = 2;
  // Tests of what is read and pinned want no other reader.
  options.scrub_interval_hours = 0;
  return options;
}

void ServerTest::StartServer(const std::string& engine) {
  options_.engine = engine;
  options_.data_dir = (directory_.path() / "store").string();
  auto opened = OpenEngine(options_, [](const absl::Status&) {});
  ASSERT_TRUE(opened.ok()) << opened.status();
  engine_ = *std::move(opened);
  storage::Engine metered = engine_;
  metered.records = storage::NewMeteredRecordStore(metered.records, meter_);
  metered.blobs = storage::NewMeteredBlobStore(metered.blobs, meter_);
  auto daemon = Daemon::StartWithEngine(
      options_, storage::WithFaults(std::move(metered), faults_));
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  daemon_ = *std::move(daemon);
  stub_ = NewStub();
}

void ServerTest::StopServer() {
  stub_.reset();
  daemon_.reset();
  faults_->Heal();
  engine_ = {};
}

std::unique_ptr<v1::ModelStore::Stub> ServerTest::NewStub(
    grpc::ChannelArguments arguments) {
  static std::atomic<int> number = 0;
  // Differing arguments keep gRPC from sharing one connection.
  arguments.SetInt("qstore.test.channel", ++number);
  return v1::ModelStore::NewStub(grpc::CreateCustomChannel(
      daemon_->address(), grpc::InsecureChannelCredentials(), arguments));
}

std::unique_ptr<v1::Admin::Stub> ServerTest::NewAdminStub() {
  return v1::Admin::NewStub(grpc::CreateChannel(
      daemon_->address(), grpc::InsecureChannelCredentials()));
}

v1::UploadResponse ServerTest::MustUpload(const std::string& name,
                                          const TestModel& model) {
  v1::UploadResponse response;
  const grpc::Status status =
      SendUpload(*stub_, UploadMessages(name, model), &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response;
}

grpc::Status ServerTest::UploadFails(
    const std::vector<v1::UploadRequest>& messages) {
  const int keys_before = DataKeyCount();
  v1::UploadResponse response;
  grpc::Status status = SendUpload(*stub_, messages, &response);
  EXPECT_FALSE(status.ok()) << response.ShortDebugString();
  ExpectIdle();
  EXPECT_EQ(DataKeyCount(), keys_before);
  grpc::ClientContext context;
  v1::ListModelsResponse models;
  EXPECT_TRUE(stub_->ListModels(&context, {}, &models).ok());
  EXPECT_EQ(models.models_size(), 0) << models.ShortDebugString();
  return status;
}

grpc::Status ServerTest::UploadFileFails(const std::string& path,
                                         const std::string& content) {
  return UploadFails(UploadMessages(kModel,
                                    {{"config.json", "{}"}, {path, content}},
                                    /*payload_bytes=*/4096));
}

int ServerTest::DataKeyCount() {
  const absl::Status collected =
      daemon_->store().WaitForCollection(absl::Minutes(1));
  EXPECT_FALSE(absl::IsDeadlineExceeded(collected)) << collected;
  int count = 0;
  for (const storage::Family family : storage::AllFamilies()) {
    EXPECT_TRUE(engine_.blobs
                    ->ListKeys(family, "", "\xff\xff\xff\xff",
                               [&](std::string_view) {
                                 ++count;
                                 return true;
                               })
                    .ok());
  }
  return count;
}

void ServerTest::DamageReads(codec::LayerNumber layer) {
  faults_->DamageReads(storage::FamilyOf(layer));
}

uint64_t ServerTest::ValuesRead(codec::LayerNumber layer) {
  return meter_->values(storage::FamilyOf(layer)).keys;
}

uint64_t ServerTest::ValuesRead() {
  uint64_t sum = 0;
  for (const storage::Family family : storage::AllFamilies()) {
    sum += meter_->values(family).keys;
  }
  return sum;
}

void ServerTest::ExpectIdle() {
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < deadline) {
    if (daemon_->running_calls() == 0 &&
        daemon_->ingest_budget().held_bytes() == 0 &&
        daemon_->pinned_bytes().bytes() == 0) {
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  ADD_FAILURE() << daemon_->running_calls() << " calls, "
                << daemon_->ingest_budget().held_bytes() << " bytes of chunks, "
                << daemon_->pinned_bytes().bytes() << " pinned bytes";
}

}  // namespace qstore::server
