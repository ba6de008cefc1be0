// From what an upload gives to the complete record of a revision.
#pragma once

#include <cstdint>
#include <functional>
#include <set>

#include "absl/status/statusor.h"
#include "storage/object_summary.h"

namespace qstore::storage {

// The object that the upload holds under this id, or nullptr.
using HeldObjects = std::function<const ObjectSummary*(uint64_t object_id)>;

struct CompleteRevision {
  v1::Revision revision;
  std::set<uint64_t> object_ids;
};

// Checks `draft` against the rules of storage/records/validate_records.h and
// the objects that the upload holds, and fills in the rest. Content hashes may
// be empty in the draft; where given they must be right. INVALID_ARGUMENT names
// file and tensor.
absl::StatusOr<CompleteRevision> CompleteDraft(v1::Revision draft,
                                               const HeldObjects& held,
                                               int64_t now_unix_seconds);

}  // namespace qstore::storage
