#include "client/reason.h"

#include "absl/strings/cord.h"
#include "absl/types/optional.h"

namespace qstore::client {
namespace {

constexpr char kReasonUrl[] = "qstore.client/reason";

}  // namespace

absl::Status WithReason(absl::Status status, const std::string& reason) {
  status.SetPayload(kReasonUrl, absl::Cord(reason));
  return status;
}

std::string ReasonOf(const absl::Status& status) {
  const absl::optional<absl::Cord> reason = status.GetPayload(kReasonUrl);
  return reason.has_value() ? std::string(*reason) : "";
}

}  // namespace qstore::client
