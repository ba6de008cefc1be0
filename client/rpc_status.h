// The one place where gRPC's status becomes ours.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/support/status.h"

namespace qstore::client {

// `server`: address for messages about the connection itself, which also say
// what to do. All other messages are the server's own sentence. Always with a
// reason (base/error_reason.h) to decide by: the server's, or
// kReasonConnectionLost (UNAVAILABLE) where the connection broke, or the
// default of a code that gRPC or a proxy answered with. Keeps RetryInfo.
absl::Status FromGrpcStatus(const grpc::Status& status,
                            const std::string& server);

// The delay after which the server says that trying again may help
// (google.rpc.RetryInfo); nothing when it says none.
std::optional<absl::Duration> RetryDelay(const absl::Status& status);

// Whether the error may go away by itself and says nothing about what was asked
// for, by its reason: the connection or the server went away, or the server
// says that it is busy (RetryInfo).
bool IsTransient(const absl::Status& status);

// "NOT_FOUND", as in the gRPC specification.
std::string StatusCodeName(absl::StatusCode code);

}  // namespace qstore::client
