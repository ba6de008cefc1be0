#include "client/connection.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/error_reason.h"
#include "base/status.h"
#include "client/rpc_status.h"
#include "grpc/compression.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"

namespace qstore::client {
namespace {

// A peer that vanished without a word is noticed after their sum. The server
// permits pings this often (server/).
constexpr int kKeepaliveMilliseconds = 30'000;
constexpr int kKeepaliveTimeoutMilliseconds = 20'000;
// How long the channel itself waits before it connects again: retry.h decides
// when that is worth trying.
constexpr int kMinReconnectMilliseconds = 100;
constexpr int kMaxReconnectMilliseconds = 1'000;

std::shared_ptr<grpc::Channel> OpenChannel(const std::string& server) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMilliseconds);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                   kKeepaliveTimeoutMilliseconds);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS,
                   kMinReconnectMilliseconds);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
                   kMaxReconnectMilliseconds);
  // While the server commits or verifies, nothing but pings may flow.
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Models come from the cluster's own network; http_proxy is meant for others.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // A message is bounded only once it has been unpacked, and a server could
  // send one that unpacks to gigabytes.
  arguments.SetInt(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  arguments.SetInt(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET,
                   1 << GRPC_COMPRESS_NONE);
  return grpc::CreateCustomChannel(server, grpc::InsecureChannelCredentials(),
                                   arguments);
}

// Why the channel failed: a call that does not wait reports it.
grpc::Status ConnectionFailure(v1::ModelStore::Stub* stub) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::seconds(1));
  v1::ListModelsRequest request;
  // No model has this prefix, so that the answer is small if one comes.
  request.set_prefix("-");
  v1::ListModelsResponse response;
  return stub->ListModels(&context, request, &response);
}

// gRPC tells every layer that it passed through ("failed to connect to all
// addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Failed to connect to remote
// host: Connection refused"); the last of it is what happened.
std::string WhatHappened(const std::string& text) {
  const size_t colon = text.rfind(": ");
  return colon == std::string::npos || colon + 2 == text.size()
             ? text
             : text.substr(colon + 2);
}

}  // namespace

Connection::Connection(const std::string& server)
    : Connection(server, OpenChannel(server)) {}

Connection::Connection(std::string server,
                       std::shared_ptr<grpc::Channel> channel)
    : server_(std::move(server)),
      channel_(std::move(channel)),
      stub_(v1::ModelStore::NewStub(channel_)) {}

absl::Status Connection::Connect(double timeout_seconds) {
  const auto deadline =
      std::chrono::system_clock::now() +
      std::chrono::milliseconds(static_cast<int64_t>(timeout_seconds * 1000));
  grpc_connectivity_state state = channel_->GetState(/*try_to_connect=*/true);
  if (state == GRPC_CHANNEL_TRANSIENT_FAILURE) {
    // That was an earlier attempt; the channel makes another one soon.
    channel_->WaitForStateChange(
        state, std::min(deadline, std::chrono::system_clock::now() +
                                      2 * std::chrono::milliseconds(
                                              kMaxReconnectMilliseconds)));
    state = channel_->GetState(/*try_to_connect=*/true);
  }
  while (state != GRPC_CHANNEL_READY) {
    if (state == GRPC_CHANNEL_TRANSIENT_FAILURE ||
        state == GRPC_CHANNEL_SHUTDOWN) {
      const grpc::Status failure = ConnectionFailure(stub_.get());
      // Any other answer is that of a server which was reached.
      if (ReasonOf(FromGrpcStatus(failure, server_)) != kReasonConnectionLost) {
        break;
      }
      return WithReason(
          MakeStatus(absl::StatusCode::kUnavailable,
                     absl::StrCat("cannot reach qstored at ", server_, " (",
                                  WhatHappened(failure.error_message()), ")")),
          kReasonUnreachable);
    }
    if (!channel_->WaitForStateChange(state, deadline)) {
      return WithReason(
          MakeStatus(absl::StatusCode::kUnavailable,
                     absl::StrFormat("qstored at %s did not answer within %g s",
                                     server_, timeout_seconds)),
          kReasonUnreachable);
    }
    state = channel_->GetState(/*try_to_connect=*/true);
  }
  return absl::OkStatus();
}

}  // namespace qstore::client
