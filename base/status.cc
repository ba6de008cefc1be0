#include "base/status.h"

#include "absl/strings/str_cat.h"

namespace qstore {

absl::Status WithMessage(const absl::Status& status,
                         const std::string& message) {
  if (status.ok()) return status;
  absl::Status reworded(status.code(), message);
  status.ForEachPayload(
      [&reworded](absl::string_view type_url, const absl::Cord& payload) {
        // A copy of the bytes: gcc 14 with AddressSanitizer takes the copy
        // constructor, which poisons what it will fill, for one that reads it.
        reworded.SetPayload(type_url, absl::Cord(std::string(payload)));
      });
  return reworded;
}

absl::Status Annotate(const absl::Status& status, std::string_view context) {
  if (status.ok()) return status;
  return WithMessage(status,
                     absl::StrCat(AbslView(context), ": ", status.message()));
}

}  // namespace qstore
