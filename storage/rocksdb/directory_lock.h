// The lock on a database's directory.
#pragma once

#include <rocksdb/env.h>

#include <filesystem>
#include <memory>

#include "absl/status/statusor.h"

namespace qstore::storage {

// RocksDB's own lock, so that its tools see it, held from before the database
// is opened until after it has been closed.
class DirectoryLock {
 public:
  // FAILED_PRECONDITION: another process, or this one, holds it.
  static absl::StatusOr<std::unique_ptr<DirectoryLock>> Take(
      const std::filesystem::path& directory);
  ~DirectoryLock();
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  explicit DirectoryLock(rocksdb::FileLock* lock) : lock_(lock) {}
  rocksdb::FileLock* const lock_;  // RocksDB deletes it
};

}  // namespace qstore::storage
