// A file system for RocksDB that keeps the files which a failed write of its
// manifest leaves in doubt.
#pragma once

#include <rocksdb/file_system.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace qstore::storage {

// RocksDB takes an edit whose write or sync to MANIFEST failed for one that
// never was, and deletes the tables that it would have added. But the bytes may
// be on disk, and then the next start finds a manifest that names tables which
// are gone, and refuses. Here, from the first failure until CURRENT durably
// names a manifest that was written anew, which settles what is true, no table
// and no manifest is deleted: RocksDB is told OK, and they go when it is
// settled. When it never is, the next start deletes those that turn out to be
// unused.
//
// It also calls every failed write one that may be tried again, in a new file.
// That is what RocksDB hears of disks that say so by themselves: it writes a
// new manifest, in a thread of its own, until it succeeds. After any other EIO
// it refuses writes until it is opened again. After an ENOSPC it wants
// DB::Resume, after which 7.8 numbers the next table with 0: an assertion in
// Debian's build. So nobody may call that. Nor may it have listeners: while 7.8
// tells them that it has recovered, the next table gets the number 0 too.
class ManifestGuard final : public rocksdb::FileSystemWrapper {
 public:
  // Called with the error when a manifest failed, and with OK when a new one
  // has been written. By any thread.
  using Report = std::function<void(const absl::Status&)>;

  ManifestGuard(const std::shared_ptr<rocksdb::FileSystem>& target,
                Report report)
      : FileSystemWrapper(target), report_(std::move(report)) {}

  // How often writing or installing a manifest has failed.
  uint64_t failure_count() const;

  // Before RocksDB is closed. When a manifest is in doubt, what it writes from
  // now on to another goes nowhere and is said to be done; files are kept as
  // before. Thus an attempt succeeds, which ends RocksDB's thread: when 7.8 is
  // closed between two attempts, it waits for ever for the next. Returns
  // whether that is so.
  bool DetachInDoubt();

  const char* Name() const override { return "ManifestGuard"; }

  rocksdb::IOStatus NewWritableFile(
      const std::string& path, const rocksdb::FileOptions& options,
      std::unique_ptr<rocksdb::FSWritableFile>* file,
      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(
      const std::string& path, const rocksdb::IOOptions& options,
      std::unique_ptr<rocksdb::FSDirectory>* directory,
      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& path,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  // Without an answer RocksDB does not resume by itself after an ENOSPC of
  // which it was told as such.
  rocksdb::IOStatus GetFreeSpace(const std::string& /*path*/,
                                 const rocksdb::IOOptions& /*options*/,
                                 uint64_t* /*free_bytes*/,
                                 rocksdb::IODebugContext* /*debug*/) override {
    return rocksdb::IOStatus::NotSupported();
  }

  // For the files and directories that this made.
  bool detached() const;
  void NoteFailure(const rocksdb::IOStatus& status);
  void NoteNewManifest();

 private:
  bool Keeps(const std::string& path);

  const Report report_;
  mutable absl::Mutex mutex_;
  bool in_doubt_ ABSL_GUARDED_BY(mutex_) = false;
  bool detached_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t failure_count_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::string> kept_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace qstore::storage
