// A record store in memory.
#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "storage/memory/value_map.h"
#include "storage/records/record_store.h"

namespace qstore::storage {

class MemoryRecordStore final : public RecordStore {
 public:
  absl::StatusOr<PinnedValue> Get(std::string_view key) override;
  absl::Status Scan(std::string_view begin, std::string_view end,
                    const Visitor& visit) override;
  absl::Status Commit(const WriteBatch& batch) override;

 private:
  absl::Mutex mutex_;
  MemoryValues records_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace qstore::storage
