// A daemon in this process on a free port, with a stub, over an engine that can
// be made to fail.
#pragma once

#include <gmock/gmock.h>
#include <grpcpp/support/channel_arguments.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "qstore/v1/admin.grpc.pb.h"
#include "qstore/v1/model_store.grpc.pb.h"
#include "server/daemon.h"
#include "storage/engine.h"
#include "storage/read_meter.h"
#include "tests/server/test_client.h"
#include "tests/server/test_model.h"
#include "tests/storage/faults.h"
#include "tests/storage/temporary_directory.h"

namespace qstore::server {

MATCHER_P(StatusIs, code, "") {
  *result_listener << "code " << arg.error_code() << ": "
                   << arg.error_message();
  return arg.error_code() == code;
}
MATCHER_P2(StatusIs, code, text, "") {
  *result_listener << "code " << arg.error_code() << ": "
                   << arg.error_message();
  return arg.error_code() == code &&
         arg.error_message().find(text) != std::string::npos;
}

class ServerTest : public ::testing::Test {
 protected:
  static constexpr char kModel[] = "org/model";

  ~ServerTest() override { StopServer(); }

  // `engine`: "memory" or "rocksdb". The latter keeps what it has across
  // StopServer and StartServer.
  void StartServer(const std::string& engine = "memory");
  void StopServer();
  std::unique_ptr<v1::Admin::Stub> NewAdminStub();
  // A stub with a connection of its own.
  std::unique_ptr<v1::ModelStore::Stub> NewStub(
      grpc::ChannelArguments arguments = grpc::ChannelArguments());

  v1::UploadResponse MustUpload(const std::string& name,
                                const TestModel& model);
  // Uploads, expects failure, and that nothing is left of it.
  grpc::Status UploadFails(const std::vector<v1::UploadRequest>& messages);
  // A model of one file.
  grpc::Status UploadFileFails(const std::string& path,
                               const std::string& content);

  // Stored values of all layers.
  int DataKeyCount();
  // From now on a bit of every value of the layer that is read is wrong.
  void DamageReads(codec::LayerNumber layer);
  // Values of the layer that were read since the engine was opened.
  uint64_t ValuesRead(codec::LayerNumber layer);
  // Of all layers.
  uint64_t ValuesRead();
  // Waits until no call runs, no chunk is in memory and no value is pinned.
  void ExpectIdle();

  ServerOptions options_ = SmallOptions();
  qstore::storage::TemporaryDirectory directory_;
  storage::Engine engine_;  // without faults
  // What goes wrong between the store and engine_.
  storage::Faults between_;
  storage::Faults* const faults_ = &between_;
  // What is read from engine_.
  const std::shared_ptr<storage::ReadMeter> meter_ =
      std::make_shared<storage::ReadMeter>();
  std::unique_ptr<Daemon> daemon_;
  std::unique_ptr<v1::ModelStore::Stub> stub_;

 private:
  static ServerOptions SmallOptions();
};

// Over each engine.
class EveryEngineTest : public ServerTest,
                        public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override { StartServer(GetParam()); }
};

}  // namespace qstore::server
