#include "client/server_faults.h"

#include "base/error_reason.h"

namespace qstore::client {

absl::Status ContradictionError(const std::string& sentence) {
  return WithReason(absl::InternalError(sentence), kReasonContradiction);
}

absl::Status DamagedInTransitError(const std::string& sentence) {
  return WithReason(absl::DataLossError(sentence), kReasonDamagedInTransit);
}

bool IsServerFault(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  return reason == kReasonContradiction || reason == kReasonDamagedInTransit;
}

}  // namespace qstore::client
