#include "base/error_reason.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/types/optional.h"

namespace qstore {
namespace {

#define QSTORE_REASON_ROW(constant, word, code, meaning) \
  {word, absl::StatusCode::code, meaning},
constexpr ErrorReason kErrorReasons[] = {
    QSTORE_ERROR_REASONS(QSTORE_REASON_ROW)};
#undef QSTORE_REASON_ROW

}  // namespace

std::span<const ErrorReason> ErrorReasons() { return kErrorReasons; }

std::string DefaultReason(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return "";
    case absl::StatusCode::kInvalidArgument:
      return kReasonInvalidRequest;
    case absl::StatusCode::kUnimplemented:
      return kReasonUnsupported;
    case absl::StatusCode::kDataLoss:
      return kReasonDamaged;
    default:
      break;
  }
  // The others are called as their codes.
  std::string word = absl::StatusCodeToString(code);
  return word.empty() ? kReasonUnknown : word;
}

absl::Status WithReason(absl::Status status, const std::string& reason) {
  if (!status.ok()) status.SetPayload(kReasonPayloadUrl, absl::Cord(reason));
  return status;
}

absl::Status WithDefaultReason(absl::Status status) {
  if (status.ok() || !ReasonOf(status).empty()) return status;
  const absl::StatusCode code = status.code();
  return WithReason(std::move(status), DefaultReason(code));
}

std::string ReasonOf(const absl::Status& status) {
  const absl::optional<absl::Cord> reason =
      status.GetPayload(kReasonPayloadUrl);
  return reason.has_value() ? std::string(*reason) : "";
}

std::string EffectiveReasonOf(const absl::Status& status) {
  std::string reason = ReasonOf(status);
  return FindErrorReason(reason) != nullptr ? reason
                                            : DefaultReason(status.code());
}

const ErrorReason* FindErrorReason(std::string_view word) {
  const auto row =
      std::find_if(std::begin(kErrorReasons), std::end(kErrorReasons),
                   [word](const ErrorReason& one) { return one.word == word; });
  return row == std::end(kErrorReasons) ? nullptr : row;
}

}  // namespace qstore
