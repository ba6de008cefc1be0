// The one place where our errors become gRPC's.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/support/status.h"

namespace qstore::server {

// Same code, same message (cut to what trailers may carry); payloads of
// `status` become the details of a google.rpc.Status.
grpc::Status ToGrpcStatus(const absl::Status& status);

// Adds google.rpc.RetryInfo: the client may retry after `delay`.
absl::Status WithRetryHint(absl::Status status, absl::Duration delay);

// CANCELLED: nobody waits for the answer any more.
absl::Status ClientGoneError();

// Says what to do about damage to what is stored, when that is what `status`
// tells of.
absl::Status AdviseOnDamage(const absl::Status& status);

// Adds google.rpc.ResourceInfo: what the call was about.
absl::Status WithResource(absl::Status status, const std::string& name);

}  // namespace qstore::server
