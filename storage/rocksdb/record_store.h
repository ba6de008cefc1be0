// The records of a database.
#pragma once

#include <memory>
#include <utility>

#include "storage/records/record_store.h"
#include "storage/rocksdb/database.h"

namespace qstore::storage {

class RocksDbRecordStore final : public RecordStore {
 public:
  explicit RocksDbRecordStore(std::shared_ptr<Database> database)
      : database_(std::move(database)) {}

  absl::StatusOr<PinnedValue> Get(std::string_view key) override;
  absl::Status Scan(std::string_view begin, std::string_view end,
                    const Visitor& visit) override;
  absl::Status Commit(const WriteBatch& batch) override;

 private:
  const std::shared_ptr<Database> database_;
};

}  // namespace qstore::storage
