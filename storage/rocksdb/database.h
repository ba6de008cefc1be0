// An open RocksDB database with our column families.
#pragma once

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/pinned_value.h"
#include "storage/rocksdb/column.h"
#include "storage/rocksdb/engine.h"
#include "storage/rocksdb/manifest_guard.h"

namespace qstore::storage {

// Shared by the stores that are in it. Thread-safe.
class Database {
 public:
  // Deletes table files in the staging directory, which an earlier process
  // left. See OpenRocksDbEngine for the errors.
  static absl::StatusOr<std::shared_ptr<Database>> Open(
      const std::filesystem::path& directory, const RocksDbOptions& options);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  rocksdb::DB& db() { return *db_; }
  const std::filesystem::path& directory() const { return directory_; }
  // Of what Open deleted.
  uint64_t cleared_bytes() const { return cleared_bytes_; }

  rocksdb::ColumnFamilyHandle* Handle(Column column) const {
    return handle_of_[column.index()];
  }
  rocksdb::Options Options(Column column) const {
    return db_->GetOptions(Handle(column));
  }

  absl::StatusOr<PinnedValue> Get(Column column, std::string_view key);

  // `upper_bound` must outlive the iterator.
  std::unique_ptr<rocksdb::Iterator> NewIterator(
      Column column, const rocksdb::Slice* upper_bound);

  // Where table files lie until they are ingested, under names that no other
  // has.
  std::filesystem::path NewStagingPath(Column column);

  // Makes table files part of the database, all at once and durably. Tries
  // again when it failed, so that writing works as soon as there is space. When
  // RocksDB has stopped, it waits for the outcome of its next attempt to
  // recover (storage/rocksdb/manifest_guard.h).
  absl::Status Ingest(
      const std::vector<rocksdb::IngestExternalFileArg>& tables);

 private:
  Database(std::filesystem::path directory, const RocksDbOptions& options);
  absl::Status ClearStaging();
  std::filesystem::path StagingDirectory() const {
    return directory_ / "staging";
  }

  const std::filesystem::path directory_;
  const std::shared_ptr<ManifestGuard> guard_;
  const std::unique_ptr<rocksdb::Env> env_;
  const std::shared_ptr<rocksdb::Cache> block_cache_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;  // owned
  std::array<rocksdb::ColumnFamilyHandle*, Column::kBound> handle_of_ = {};
  uint64_t cleared_bytes_ = 0;
  std::atomic<uint64_t> next_table_number_ = 0;
};

}  // namespace qstore::storage
