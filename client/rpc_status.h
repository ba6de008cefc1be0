// The one place where gRPC's status becomes ours.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace qstore::client {

// `server`: address for messages about the connection itself, which also say
// what to do. All other messages are the server's own sentence.
absl::Status FromGrpcStatus(const grpc::Status& status,
                            const std::string& server);

// How to start a daemon or point to one, for the end of a message.
std::string StartServerAdvice(const std::string& server);

// "NOT_FOUND", as in the gRPC specification.
std::string StatusCodeName(absl::StatusCode code);

}  // namespace qstore::client
