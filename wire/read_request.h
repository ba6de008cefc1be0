// What a download asks for, as a message, and back.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "model/selection.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore::wire {

inline constexpr size_t kMaxHeldEntries = 65'536;

void ToWire(const model::Selection& selection, v1::Selection* message);
v1::Precision ToWire(const model::Representation& representation);

// Beside the reference.
struct ReadRequest {
  model::Selection selection;
  model::Representation representation;
  std::string held_revision;
  model::HeldChunks held;
};

// Takes hostile messages. INVALID_ARGUMENT: more than kMaxHeldEntries, a
// selection that model::ValidateSelection refuses, or an unknown precision.
// Held numbers past what the revision has do no harm.
absl::StatusOr<ReadRequest> FromWire(const v1::DownloadRequest& request);

}  // namespace qstore::wire
