// Named copies of the store, made while it serves, side by side in a directory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "storage/model_store.h"

namespace qstore::server {

// Thread-safe. Holds a lock on the directory: two daemons must not clean up
// after each other.
class BackupDirectory {
 public:
  struct Backup {
    std::filesystem::path path;
    uint64_t size_bytes = 0;
  };

  // Makes `directory` if it is absent (its parent must exist) and removes what
  // a process that was killed had left half done. FAILED_PRECONDITION when
  // another process uses the directory; INVALID_ARGUMENT when it lies inside
  // `data_dir`, where the store's files are counted and swept.
  static absl::StatusOr<std::unique_ptr<BackupDirectory>> Open(
      const std::filesystem::path& directory,
      const std::filesystem::path& data_dir);
  ~BackupDirectory();
  BackupDirectory(const BackupDirectory&) = delete;
  BackupDirectory& operator=(const BackupDirectory&) = delete;

  // Copies the store to `name` in the directory. Durable when it returns OK;
  // until then nothing is to be seen under the name, and nothing is left after
  // an error. ALREADY_EXISTS for a name that is taken, RESOURCE_EXHAUSTED while
  // another backup is being made or when the disk is full.
  absl::StatusOr<Backup> Create(storage::ModelStore* store,
                                const std::string& name);

 private:
  absl::StatusOr<Backup> CreateAlone(storage::ModelStore* store,
                                     const std::string& name);
  BackupDirectory(std::filesystem::path directory, int lock_descriptor)
      : directory_(std::move(directory)), lock_descriptor_(lock_descriptor) {}

  const std::filesystem::path directory_;
  const int lock_descriptor_;
  absl::Mutex mutex_;
  bool creating_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace qstore::server
