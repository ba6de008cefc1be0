// A file system for one opening of RocksDB, which knows what of its manifest is
// on the disk for certain, and deletes nothing that another manifest may name.
#pragma once

#include <rocksdb/file_system.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "storage/rocksdb/held_tables.h"

namespace qstore::storage {

// A manifest as far as RocksDB was told that it is on the disk, and CURRENT
// with its name.
struct DurableManifest {
  std::string name;  // empty: none yet
  uint64_t size_bytes = 0;
};

// RocksDB takes an edit whose write or sync to MANIFEST failed for one that
// never was, and deletes the tables that it would have added. But the bytes may
// be on disk, and then the next start finds a manifest that names tables which
// are gone, and refuses. So after the first failure this file system fails all
// further writes to manifests and CURRENT, and deletes no table and no
// manifest: RocksDB is told OK. Its memory then is what durable() says, to
// which the manifest can be cut (storage/rocksdb/manifest_restore.h) before
// RocksDB is opened anew (storage/rocksdb/database.h).
//
// RocksDB's own recovery is not used, and must be switched off. That of 7.8,
// with Debian's assertions, ends the process when another thread writes a
// manifest meanwhile, numbers tables with 0, and may wait for ever when it is
// told to stop.
//
// It also never deletes the manifest that CURRENT names: RocksDB 7.8 asks for
// that when it cannot open a table while it is about to begin a new manifest.
// Failed writes and reads of other files are called ones that may be tried
// again: then a background compaction is, and RocksDB does not stop.
class ManifestGuard final : public rocksdb::FileSystemWrapper {
 public:
  // Called once, with the first failure. By any thread.
  using Report = std::function<void(const absl::Status&)>;

  // Tables that RocksDB deletes go to `held`.
  ManifestGuard(const std::shared_ptr<rocksdb::FileSystem>& target,
                std::shared_ptr<HeldTables> held, Report report)
      : FileSystemWrapper(target),
        held_(std::move(held)),
        report_(std::move(report)) {}

  // Not OK after the first failure.
  absl::Status failure() const;
  DurableManifest durable() const;

  // As after a failure: another opening takes over.
  void Retire();

  const char* Name() const override { return "ManifestGuard"; }

  rocksdb::IOStatus NewWritableFile(
      const std::string& path, const rocksdb::FileOptions& options,
      std::unique_ptr<rocksdb::FSWritableFile>* file,
      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewRandomAccessFile(
      const std::string& path, const rocksdb::FileOptions& options,
      std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(
      const std::string& path, const rocksdb::IOOptions& options,
      std::unique_ptr<rocksdb::FSDirectory>* directory,
      rocksdb::IODebugContext* debug) override;
  // As RocksDB's own, which gives errors as numbers.
  rocksdb::IOStatus FileExists(const std::string& path,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& path,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  // Without an answer RocksDB does not resume by itself after an ENOSPC.
  rocksdb::IOStatus GetFreeSpace(const std::string& /*path*/,
                                 const rocksdb::IOOptions& /*options*/,
                                 uint64_t* /*free_bytes*/,
                                 rocksdb::IODebugContext* /*debug*/) override {
    return rocksdb::IOStatus::NotSupported();
  }
  // The directory is locked by who opens RocksDB, once for all openings.
  rocksdb::IOStatus LockFile(const std::string& path,
                             const rocksdb::IOOptions& options,
                             rocksdb::FileLock** lock,
                             rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus UnlockFile(rocksdb::FileLock* lock,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;

  // For the files and directories that this made.

  // What a write to a manifest must not go past; not OK after a failure.
  rocksdb::IOStatus MayWrite() const;
  void NoteFailure(const rocksdb::IOStatus& status);
  void NoteSynced(const std::string& manifest, uint64_t size_bytes);
  void NoteInstalled();

 private:
  const std::shared_ptr<HeldTables> held_;
  const Report report_;
  mutable absl::Mutex mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  bool retired_ ABSL_GUARDED_BY(mutex_) = false;
  // What CURRENT names, and the manifest that was begun last.
  DurableManifest durable_ ABSL_GUARDED_BY(mutex_);
  DurableManifest newest_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace qstore::storage
