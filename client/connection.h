// A connection to one qstored.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "grpcpp/channel.h"
#include "qstore/v1/model_store.grpc.pb.h"

namespace qstore::client {

// Largest message that is taken from a server: revision manifests and listings.
inline constexpr int kMaxMessageBytes = 64 << 20;

// Thread-safe.
class Connection {
 public:
  // `server`: HOST:PORT or any other target that gRPC knows (`dns:///…`,
  // `unix:PATH`). Does not connect yet.
  explicit Connection(const std::string& server);
  // Over a channel that a test made.
  Connection(std::string server, std::shared_ptr<grpc::Channel> channel);

  // Waits until the server accepts connections. UNAVAILABLE with
  // kReasonUnreachable, naming the address: at once when it refuses, after
  // `timeout_seconds` when it does not answer.
  absl::Status Connect(double timeout_seconds);

  const std::string& server() const { return server_; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  v1::ModelStore::Stub& stub() const { return *stub_; }

 private:
  const std::string server_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::ModelStore::Stub> stub_;
};

}  // namespace qstore::client
