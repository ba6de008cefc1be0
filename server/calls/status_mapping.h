// The one place where our errors become gRPC's.
#pragma once

#include <chrono>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"

namespace qstore::server {

// What an error is about, as far as it is known; valid names or empty.
struct ErrorSubject {
  std::string model;
  std::string revision;  // or its first digits
};

// Same code, same message. A reason (base/error_reason.h) and the subject
// become google.rpc.ErrorInfo, other payloads stay what they are: details of a
// google.rpc.Status. The message is cut to what trailers may carry, and to
// valid UTF-8.
grpc::Status ToGrpcStatus(const absl::Status& status,
                          const ErrorSubject& subject = {});

// Ends a call at once, whatever its client does not send or take: resets its
// stream. What goes with that is a code and a sentence alone, so the reason is
// put before the sentence: "SLOW_CLIENT: the client took nothing for 300s".
// `why` has a reason and is printable ASCII. For streams that cannot end by
// themselves; what the handler returns afterwards is for the log.
void CutOff(grpc::ServerContextBase* context, const absl::Status& why);

// Adds google.rpc.RetryInfo: the client may retry after `delay`.
absl::Status WithRetryHint(absl::Status status, absl::Duration delay);

// CANCELLED: nobody waits for the answer any more.
absl::Status ClientGoneError();

// CANCELLED: the client neither sent nor took anything for as long as it may.
// `what`: "sent" or "took".
absl::Status SlowClientError(const char* what,
                             std::chrono::milliseconds timeout);

// CANCELLED: its place, or its room, went to another caller.
absl::Status MadeRoomError();

// Says what to do about damage to what is stored, when that is what `status`
// tells of.
absl::Status AdviseOnDamage(const absl::Status& status);

// Names the directory by "<data-dir>": where the server keeps it is nobody
// else's business. Only an absolute one is looked for.
absl::Status HideDirectory(const absl::Status& status,
                           const std::string& directory);

// Adds google.rpc.ResourceInfo: what the call was about.
absl::Status WithResource(absl::Status status, const std::string& name);

}  // namespace qstore::server
