// A RocksDB database with our column families, which goes on after a failed
// write.
#pragma once

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "storage/pinned_value.h"
#include "storage/rocksdb/column.h"
#include "storage/rocksdb/directory_lock.h"
#include "storage/rocksdb/engine.h"
#include "storage/rocksdb/generation.h"
#include "storage/rocksdb/staged_table_file.h"

namespace qstore::storage {

// Keeps the generation that it reads.
class DatabaseIterator {
 public:
  DatabaseIterator(std::shared_ptr<Generation> generation, Column column,
                   const rocksdb::Slice* upper_bound);
  rocksdb::Iterator* operator->() const { return iterator_.get(); }

 private:
  std::shared_ptr<Generation> generation_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

// Shared by the stores that are in it. Thread-safe.
//
// When a manifest could not be written, or RocksDB has stopped for another
// reason, nothing can be written until RocksDB has been opened anew, on the
// manifest as it was before (storage/rocksdb/manifest_guard.h): so what was
// refused has not happened. The next write does that, and reading goes on
// meanwhile. While the disk refuses that too, each write fails.
class Database {
 public:
  // Deletes table files in the staging directory, which an earlier process
  // left. See OpenRocksDbEngine for the errors.
  static absl::StatusOr<std::shared_ptr<Database>> Open(
      const std::filesystem::path& directory, const RocksDbOptions& options);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // For reading. It stays as long as the pointer is held, which should not be
  // long: tables that are deleted meanwhile stay with an earlier one.
  std::shared_ptr<Generation> generation() const;

  const std::filesystem::path& directory() const { return shared_->directory; }
  // Of what Open deleted.
  uint64_t cleared_bytes() const { return cleared_bytes_; }

  // For table files that are written or read beside the database.
  rocksdb::Options TableOptions(Column column) const;

  absl::StatusOr<PinnedValue> Get(Column column, std::string_view key);

  // `upper_bound` must outlive the iterator.
  DatabaseIterator NewIterator(Column column,
                               const rocksdb::Slice* upper_bound) const;

  // Where table files lie until they are ingested, under names that no other
  // has.
  std::filesystem::path NewStagingPath(Column column);

  // Makes table files part of the database, all at once and durably. Tries
  // again when it failed, so that writing works as soon as there is space.
  absl::Status Ingest(
      const std::vector<std::pair<Column, std::string>>& tables);

  // Runs what changes the database otherwise.
  using Change = std::function<rocksdb::Status(Generation* generation)>;
  absl::Status Apply(const Change& change, const std::string& what);

 private:
  Database(const std::filesystem::path& directory,
           const RocksDbOptions& options);
  absl::Status ClearStaging();
  std::filesystem::path StagingDirectory() const {
    return directory() / kStagingDirectoryName;
  }

  rocksdb::Status TryChange(const Change& change);
  bool HasStopped() const;
  // OK when writing may work. Opens RocksDB anew when it has stopped, not more
  // often than several times a second.
  absl::Status EnsureWriting();
  absl::Status OpenAnew() ABSL_EXCLUSIVE_LOCKS_REQUIRED(opening_mutex_);

  // Whether writing works: told when that changes.
  void Report(const absl::Status& status);

  const std::shared_ptr<Generation::Shared> shared_;
  const std::unique_ptr<rocksdb::Env> table_env_;
  std::unique_ptr<DirectoryLock> lock_;
  uint64_t cleared_bytes_ = 0;
  std::atomic<uint64_t> next_table_number_ = 0;

  // Held while RocksDB is opened anew; before the others.
  absl::Mutex opening_mutex_;
  DurableManifest durable_ ABSL_GUARDED_BY(opening_mutex_);
  absl::Status last_opening_ ABSL_GUARDED_BY(opening_mutex_);
  absl::Time last_opened_ ABSL_GUARDED_BY(opening_mutex_);
  absl::Duration pause_ ABSL_GUARDED_BY(opening_mutex_);
  // Shared by changes, exclusive for what replaces the generation.
  absl::Mutex changing_mutex_ ABSL_ACQUIRED_AFTER(opening_mutex_);

  mutable absl::Mutex mutex_;
  std::shared_ptr<Generation> generation_ ABSL_GUARDED_BY(mutex_);
  // Why RocksDB takes no changes, when it is not for its manifest.
  absl::Status stopped_ ABSL_GUARDED_BY(mutex_);
  bool reported_writing_ ABSL_GUARDED_BY(mutex_) = true;
  const std::function<void(const absl::Status&)> report_;
};

}  // namespace qstore::storage
