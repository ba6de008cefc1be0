// Records as the messages that are stored, and back.
#pragma once

#include "absl/status/statusor.h"
#include "model/object.h"
#include "qstore/storage/v2/manifest.pb.h"
#include "storage/revisions/revision.h"

namespace qstore::storage {

v2::Object ToMessage(const model::Object& object);
v2::Revision ToMessage(const StoredRevision& revision);

// Only what a struct cannot hold is refused, as INVALID_ARGUMENT; whether the
// rest fits together is for storage/records/validate_records.h to say.
absl::StatusOr<model::Object> FromMessage(const v2::Object& message);
absl::StatusOr<StoredRevision> FromMessage(const v2::Revision& message);

}  // namespace qstore::storage
