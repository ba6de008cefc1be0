#include "storage/revision_reader.h"

#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/failpoint.h"
#include "base/status.h"
#include "storage/object_reader.h"

namespace qstore::storage {

RevisionReaderImpl::RevisionReaderImpl(StoreState* state,
                                       StoredRevision revision)
    : state_(*state),
      revision_(std::move(revision)),
      object_ids_(ObjectIdsOf(revision_)) {
  for (const uint64_t id : object_ids_) state_.objects.Pin(id);
}

RevisionReaderImpl::~RevisionReaderImpl() {
  {
    const std::lock_guard lock(state_.mutex);
    for (const uint64_t id : object_ids_) state_.objects.Unpin(id);
  }
  // Of use only if the revision was deleted meanwhile. Nobody is left to tell
  // of a failure; the next collection tries again.
  CollectGarbage(&state_).IgnoreError();
}

absl::Status RevisionReaderImpl::CheckId(uint64_t object_id) const {
  if (object_ids_.contains(object_id)) return absl::OkStatus();
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
