// A download that finds no room in the queue of reads: which holds one for
// every download that is admitted, so that a whole server never says so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/synchronization/notification.h"
#include "base/thread_pool.h"
#include "base/timer.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/server_builder.h"
#include "server/calls/service.h"
#include "server/engines.h"
#include "tests/server/calls/call_server.h"

namespace qstore::server {
namespace {

std::unique_ptr<storage::ModelStore> EmptyStore() {
  ServerOptions options;
  options.engine = "memory";
  auto store = storage::ModelStore::Open(*OpenEngine(options, {}));
  EXPECT_TRUE(store.ok()) << store.status();
  return *std::move(store);
}

TEST(FullQueueTest, TheClientIsToldWhenToComeAgain) {
  const std::unique_ptr<storage::ModelStore> store = EmptyStore();
  Timer timer;
  CallAdmission admission(CallAdmission::Limits{}, &timer);
  const AllowAll rights;
  CallCounts counts;
  StallWatch stalls(std::chrono::milliseconds(0), &timer);
  OpenCalls open_calls(uint64_t{1} << 20);
  ThreadPool short_calls(/*thread_count=*/1, /*max_queued=*/1);
  absl::Notification go_on;
  ThreadPool reads(/*thread_count=*/1, /*max_queued=*/1);
  absl::Notification begun;
  reads.Submit([&] {
    begun.Notify();
    go_on.WaitForNotification();
  });
  begun.WaitForNotification();
  reads.Submit([] {});
  ModelStoreService service(store.get(),
                            {.admission = &admission,
                             .rights = &rights,
                             .counts = &counts,
                             .stalls = &stalls,
                             .open_calls = &open_calls,
                             .short_calls = &short_calls},
                            {},
                            {.store = store.get(),
                             .read_pool = &reads,
                             .gauge = std::make_shared<PinnedBytesGauge>(),
                             .metadata = nullptr},
                            {});
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  const auto stub = v1::ModelStore::NewStub(grpc::CreateChannel(
      "127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
  v1::DownloadRequest request;
  request.mutable_reference()->set_model("org/model");
  request.set_precision(v1::PRECISION_ORIGINAL);
  grpc::ClientContext context;
  const auto reader = stub->Download(&context, request);
  v1::DownloadResponse message;
  EXPECT_FALSE(reader->Read(&message));
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(),
              ::testing::HasSubstr("queue of reads is full"));
  EXPECT_EQ(ErrorInfoOf(status).reason(), "TOO_MANY_CALLS");
  EXPECT_TRUE(HasRetryInfo(status));
  go_on.Notify();
  server->Shutdown();
}

}  // namespace
}  // namespace qstore::server
