// RevisionReader over a StoreState.
#pragma once

#include <set>

#include "storage/model_store.h"
#include "storage/object_table.h"

namespace qstore::storage {

class RevisionReaderImpl final : public RevisionReader {
 public:
  // Requires the mutex of `state`, under which `revision` was found.
  RevisionReaderImpl(StoreState* state, StoredRevision revision);
  ~RevisionReaderImpl() override;

  const StoredRevision& revision() const override { return revision_; }
  absl::StatusOr<model::Object> GetObject(uint64_t object_id) override;
  absl::StatusOr<PinnedValue> GetValue(
      uint64_t object_id, uint32_t chunk_index,
      const model::ValueAddress& value) override;

 private:
  absl::Status CheckId(uint64_t object_id) const;

  StoreState& state_;
  const StoredRevision revision_;
  const std::set<uint64_t> object_ids_;
};

}  // namespace qstore::storage
