#include "model/selection.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "base/error_reason.h"
#include "base/status.h"
#include "base/text/quote.h"

namespace qstore::model {
namespace {

absl::Status ValidatePattern(const std::string& pattern) {
  if (!pattern.empty() && pattern.size() <= kMaxPatternBytes) {
    return absl::OkStatus();
  }
  return WithReason(
      absl::InvalidArgumentError(
          absl::StrCat("the pattern ", Quoted(pattern), " has ", pattern.size(),
                       " bytes; a pattern has 1 to ", kMaxPatternBytes)),
      kReasonInvalidSelection);
}

}  // namespace

absl::Status ValidateSelection(const Selection& selection) {
  if (selection.files.size() + selection.tensors.size() > kMaxPatterns) {
    return WithReason(
        absl::InvalidArgumentError(
            absl::StrCat("there are ", selection.files.size(), " file and ",
                         selection.tensors.size(), " tensor patterns; at most ",
                         kMaxPatterns, " are taken")),
        kReasonInvalidSelection);
  }
  for (const std::string& pattern : selection.files) {
    QSTORE_RETURN_IF_ERROR(ValidatePattern(pattern));
  }
  for (const TensorPattern& tensor : selection.tensors) {
    QSTORE_RETURN_IF_ERROR(ValidatePattern(tensor.pattern));
    if (tensor.rows.has_value() && tensor.rows->first >= tensor.rows->end) {
      return WithReason(
          absl::InvalidArgumentError(absl::StrCat(
              "rows ", tensor.rows->first, " to ", tensor.rows->end, " of ",
              Quoted(tensor.pattern), " are none")),
          kReasonInvalidSelection);
    }
  }
  return absl::OkStatus();
}

void HeldChunks::AddObjects(uint64_t first, uint64_t end) {
  uint64_t& known = end_of_range_[first];
  known = std::max(known, end);
}

bool HeldChunks::Has(uint64_t object_index, uint32_t chunk_index) const {
  const auto range = end_of_range_.upper_bound(object_index);
  if (range != end_of_range_.begin() &&
      object_index < std::prev(range)->second) {
    return true;
  }
  const auto object = chunks_.find(object_index);
  return object != chunks_.end() && object->second.contains(chunk_index);
}

}  // namespace qstore::model
