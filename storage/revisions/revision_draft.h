// From what an upload gives to the complete record of a revision.
#pragma once

#include <cstdint>
#include <functional>
#include <set>

#include "absl/status/statusor.h"
#include "storage/objects/object_summary.h"
#include "storage/revisions/revision.h"

namespace qstore::storage {

// The object that the upload holds under this id, or nullptr.
using HeldObjects = std::function<const ObjectSummary*(uint64_t object_id)>;

struct CompleteRevision {
  StoredRevision revision;
  std::set<uint64_t> object_ids;
};

// Checks `draft` against the rules of storage/records/validate_records.h and
// the objects that the upload holds, and fills in the rest; content
// hashes are those of the objects. INVALID_ARGUMENT names file and tensor.
absl::StatusOr<CompleteRevision> CompleteDraft(StoredRevision draft,
                                               const HeldObjects& held,
                                               int64_t now_unix_seconds);

}  // namespace qstore::storage
