#include "storage/revisions/revision_reader.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/failpoints/failpoint.h"
#include "base/status.h"
#include "storage/objects/object_reader.h"

namespace qstore::storage {

RevisionReaderImpl::RevisionReaderImpl(StoreState* state,
                                       StoredRevision revision)
    : state_(*state),
      revision_(std::move(revision)),
      pins_(state, ObjectIdsOf(revision_)) {}

absl::Status RevisionReaderImpl::CheckId(uint64_t object_id) const {
  if (pins_.ids().contains(object_id)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("object ", object_id, " is not part of the revision"));
}

absl::StatusOr<model::Object> RevisionReaderImpl::GetObject(
    uint64_t object_id) {
  QSTORE_FAILPOINT("read.object");
  QSTORE_RETURN_IF_ERROR(CheckId(object_id));
  return ReadObject(state_, object_id);
}

absl::StatusOr<PinnedValue> RevisionReaderImpl::GetValue(
    uint64_t object_id, uint32_t chunk_index,
    const model::ValueAddress& value) {
  QSTORE_FAILPOINT("read.value");
  QSTORE_RETURN_IF_ERROR(CheckId(object_id));
  return ReadValue(&state_, object_id, chunk_index, value);
}

}  // namespace qstore::storage
