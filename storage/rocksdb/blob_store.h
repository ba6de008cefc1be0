// The values of a database.
#pragma once

#include <memory>
#include <utility>

#include "storage/blobs/blob_store.h"
#include "storage/rocksdb/database.h"

namespace qstore::storage {

// Read reads in the caller's thread, one value after the other.
class RocksDbBlobStore final : public BlobStore {
 public:
  explicit RocksDbBlobStore(std::shared_ptr<Database> database)
      : database_(std::move(database)) {}

  Database& database() const { return *database_; }

  void Read(std::vector<BlobKey> keys, ReadDone done) override;
  absl::StatusOr<std::unique_ptr<BulkWriter>> NewBulkWriter() override;
  absl::Status DeleteRange(Family family, std::string_view begin,
                           std::string_view end) override;
  absl::Status ListKeys(Family family, std::string_view begin,
                        std::string_view end, const KeyVisitor& visit) override;
  absl::StatusOr<std::vector<KeyRange>> KeyRanges(Family family) override;
  absl::StatusOr<std::string> LastKey(Family family) override;
  uint64_t DiskBytes() const override;
  uint64_t ClearedBytes() const override;

 private:
  const std::shared_ptr<Database> database_;
};

}  // namespace qstore::storage
