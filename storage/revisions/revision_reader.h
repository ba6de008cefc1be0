// RevisionReader over a StoreState.
#pragma once

#include "absl/base/thread_annotations.h"
#include "storage/model_store.h"
#include "storage/objects/object_pins.h"
#include "storage/store_state.h"

namespace qstore::storage {

class RevisionReaderImpl final : public RevisionReader {
 public:
  // Under the mutex under which `revision` was found.
  RevisionReaderImpl(StoreState* state, StoredRevision revision)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state->mutex);

  const StoredRevision& revision() const override { return revision_; }
  absl::StatusOr<model::Object> GetObject(uint64_t object_id) override;
  absl::StatusOr<PinnedValue> GetValue(
      uint64_t object_id, uint32_t chunk_index,
      const model::ValueAddress& value) override;

 private:
  absl::Status CheckId(uint64_t object_id) const;

  StoreState& state_;
  const StoredRevision revision_;
  const ObjectPins pins_;
};

}  // namespace qstore::storage
