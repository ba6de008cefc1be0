// Which records are well formed. Checked when one is written, where a breach is
// the caller's INVALID_ARGUMENT, and again when one is read, where it is
// damage.
#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "model/object.h"
#include "storage/revisions/revision.h"

namespace qstore::storage {

inline constexpr size_t kMaxRecordBytes = 1u << 30;

// It has an id, and model::ValidateObject takes it.
absl::Status ValidateStoredObject(const model::Object& object);

// Names are valid, paths unique and none inside another; sizes of segments add
// up to the file's. INVALID_ARGUMENT names the file and the rule.
absl::Status ValidateRevision(const StoredRevision& revision);

}  // namespace qstore::storage
