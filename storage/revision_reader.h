// RevisionReader over a StoreState.
#pragma once

#include "absl/base/thread_annotations.h"
#include "storage/model_store.h"
#include "storage/object_pins.h"
#include "storage/store_state.h"

namespace qstore::storage {

class RevisionReaderImpl final : public RevisionReader {
 public:
  // Under the mutex under which `revision` was found.
  RevisionReaderImpl(StoreState* state, v1::Revision revision)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state->mutex);

  const v1::Revision& revision() const override { return revision_; }
  absl::StatusOr<v1::Object> GetObject(uint64_t object_id) override;
  absl::StatusOr<PinnedValue> GetBlob(Family family, uint64_t object_id,
                                      uint32_t chunk_index,
                                      const v1::Blob& blob) override;

 private:
  absl::Status CheckId(uint64_t object_id) const;

  StoreState& state_;
  const v1::Revision revision_;
  const ObjectPins pins_;
};

}  // namespace qstore::storage
