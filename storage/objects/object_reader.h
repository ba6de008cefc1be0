// Reading one object: its record and its values, checked.
#pragma once

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "storage/model_store.h"
#include "storage/objects/object_pins.h"
#include "storage/store_state.h"

namespace qstore::storage {

// The record of an object that some revision names: its absence is DATA_LOSS.
absl::StatusOr<model::Object> ReadObject(const StoreState& state,
                                         uint64_t object_id);

// A value of the object, checked against size and checksum of `value`.
// DATA_LOSS names layer, object, chunk and subgroup, and marks the object as
// damaged. Takes the mutex then.
absl::StatusOr<PinnedValue> ReadValue(StoreState* state, uint64_t object_id,
                                      uint32_t chunk_index,
                                      const model::ValueAddress& value);

class ObjectReaderImpl final : public ObjectReader {
 public:
  // Under the mutex under which the object was found.
  ObjectReaderImpl(StoreState* state, uint64_t object_id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state->mutex);

  uint64_t object_id() const override { return object_id_; }
  absl::StatusOr<model::Object> GetObject() override;
  absl::StatusOr<PinnedValue> GetValue(
      uint32_t chunk_index, const model::ValueAddress& value) override;

 private:
  StoreState& state_;
  const ObjectPins pins_;
  const uint64_t object_id_;
};

// Where revisions use the object, at most `max_count` of them: see ModelStore.
absl::StatusOr<std::vector<ObjectUse>> FindUses(const RecordTable& records,
                                                uint64_t object_id,
                                                size_t max_count);

}  // namespace qstore::storage
