#include "storage/rocksdb/directory_lock.h"

#include <string>

#include "storage/rocksdb/status.h"

namespace qstore::storage {

absl::StatusOr<std::unique_ptr<DirectoryLock>> DirectoryLock::Take(
    const std::filesystem::path& directory) {
  rocksdb::FileLock* lock = nullptr;
  const rocksdb::Status status =
      rocksdb::Env::Default()->LockFile(directory / "LOCK", &lock);
  if (!status.ok()) return ToOpenStatus(status, directory);
  return std::unique_ptr<DirectoryLock>(new DirectoryLock(lock));
}

DirectoryLock::~DirectoryLock() {
  rocksdb::Env::Default()->UnlockFile(lock_).PermitUncheckedError();
}

}  // namespace qstore::storage
