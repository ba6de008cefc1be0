// RocksDB, opened once. The database is opened anew when its manifest could not
// be written (storage/rocksdb/database.h), which makes the next generation.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/env.h>

#include <array>
#include <filesystem>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/rocksdb/column.h"
#include "storage/rocksdb/held_tables.h"
#include "storage/rocksdb/manifest_guard.h"

namespace qstore::storage {

// Thread-safe. Closes RocksDB with the last pointer to it.
class Generation {
 public:
  // What all generations of a database share.
  struct Shared {
    std::filesystem::path directory;
    rocksdb::DBOptions options;  // `env` is filled in here
    std::shared_ptr<rocksdb::Cache> block_cache;
    std::shared_ptr<HeldTables> held;
    ManifestGuard::Report report_failure;
  };
  // After an error, `*durable` is the manifest that was installed before it, if
  // one was; otherwise it is left alone. DATA_LOSS and others are those of
  // OpenRocksDbEngine.
  static absl::StatusOr<std::shared_ptr<Generation>> Open(
      const std::shared_ptr<const Shared>& shared, DurableManifest* durable);
  ~Generation();
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;

  rocksdb::DB& db() { return *db_; }
  ManifestGuard& guard() { return *guard_; }
  rocksdb::ColumnFamilyHandle* Handle(Column column) const {
    return handle_of_[column.index()];
  }

  // Compactions end and no others begin; reading goes on.
  void CancelBackgroundWork();

 private:
  explicit Generation(std::shared_ptr<const Shared> shared);
  rocksdb::Status OpenDatabase();

  const std::shared_ptr<const Shared> shared_;
  const std::shared_ptr<ManifestGuard> guard_;
  const std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::DB> db_;  // null when it could not be opened
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;  // owned
  std::array<rocksdb::ColumnFamilyHandle*, Column::kBound> handle_of_ = {};
};

}  // namespace qstore::storage
