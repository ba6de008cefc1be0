// RevisionReader over a StoreState.
#pragma once

#include <set>

#include "storage/model_store.h"
#include "storage/object_table.h"

namespace qstore::storage {

class RevisionReaderImpl final : public RevisionReader {
 public:
  // Requires the mutex of `state`, under which `revision` was found.
  RevisionReaderImpl(StoreState* state, v1::Revision revision);
  ~RevisionReaderImpl() override;

  const v1::Revision& revision() const override { return revision_; }
  absl::StatusOr<v1::Object> GetObject(uint64_t object_id) override;
  absl::StatusOr<PinnedValue> GetBlob(Family family, uint64_t object_id,
                                      uint32_t chunk_index,
                                      const v1::Blob& blob) override;

 private:
  absl::Status CheckId(uint64_t object_id) const;

  StoreState& state_;
  const v1::Revision revision_;
  const std::set<uint64_t> object_ids_;
};

}  // namespace qstore::storage
