#include "storage/rocksdb_manifest_guard.h"

#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qstore::storage {
namespace {

using rocksdb::DataVerificationInfo;
using rocksdb::FSDirectory;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

std::string_view FileName(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}
bool IsManifest(std::string_view path) {
  return FileName(path).starts_with("MANIFEST-");
}
bool IsCurrent(std::string_view path) { return FileName(path) == "CURRENT"; }

// A missing path stays what it is: RocksDB asks for paths to see if they exist.
IOStatus MayBeTriedAgain(IOStatus status) {
  if (!status.IsIOError() || status.IsPathNotFound()) return status;
  const char* text = status.getState();
  IOStatus again = IOStatus::IOError(text == nullptr ? "" : text);
  again.SetRetryable(true);
  again.SetScope(IOStatus::IOErrorScope::kIOErrorScopeFile);
  return again;
}

// The files that must stay. Thread-safe.
class Doubt {
 public:
  void Begin() {
    const std::lock_guard lock(mutex_);
    exists_ = true;
  }

  // Whether `path` is kept, for now, instead of being deleted.
  bool Keeps(const std::string& path) {
    if (!path.ends_with(".sst") && !IsManifest(path)) return false;
    const std::lock_guard lock(mutex_);
    if (exists_) kept_.push_back(path);
    return exists_;
  }

  // What was kept and need not be any more.
  std::vector<std::string> End() {
    const std::lock_guard lock(mutex_);
    exists_ = false;
    return std::exchange(kept_, {});
  }

 private:
  std::mutex mutex_;
  bool exists_ = false;
  std::vector<std::string> kept_;
};

class GuardedFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  // `doubt` is null for files of which failures leave none.
  GuardedFile(std::unique_ptr<FSWritableFile> file, Doubt* doubt)
      : FSWritableFileOwnerWrapper(std::move(file)), doubt_(doubt) {}

  IOStatus Append(const Slice& bytes, const IOOptions& options,
                  IODebugContext* debug) override {
    return Noted(target()->Append(bytes, options, debug));
  }
  IOStatus Append(const Slice& bytes, const IOOptions& options,
                  const DataVerificationInfo& verification,
                  IODebugContext* debug) override {
    return Noted(target()->Append(bytes, options, verification, debug));
  }
  IOStatus PositionedAppend(const Slice& bytes, uint64_t offset,
                            const IOOptions& options,
                            IODebugContext* debug) override {
    return Noted(target()->PositionedAppend(bytes, offset, options, debug));
  }
  IOStatus PositionedAppend(const Slice& bytes, uint64_t offset,
                            const IOOptions& options,
                            const DataVerificationInfo& verification,
                            IODebugContext* debug) override {
    return Noted(target()->PositionedAppend(bytes, offset, options,
                                            verification, debug));
  }
  IOStatus Truncate(uint64_t size, const IOOptions& options,
                    IODebugContext* debug) override {
    return Noted(target()->Truncate(size, options, debug));
  }
  IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
    return Noted(target()->Close(options, debug));
  }
  IOStatus Flush(const IOOptions& options, IODebugContext* debug) override {
    return Noted(target()->Flush(options, debug));
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    return Noted(target()->Sync(options, debug));
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return Noted(target()->Fsync(options, debug));
  }
  IOStatus RangeSync(uint64_t offset, uint64_t count, const IOOptions& options,
                     IODebugContext* debug) override {
    return Noted(target()->RangeSync(offset, count, options, debug));
  }

 private:
  IOStatus Noted(IOStatus status) const {
    if (status.IsIOError() && doubt_ != nullptr) doubt_->Begin();
    return MayBeTriedAgain(std::move(status));
  }

  Doubt* const doubt_;
};

class ManifestGuard final : public rocksdb::FileSystemWrapper {
 public:
  using FileSystemWrapper::FileSystemWrapper;

  const char* Name() const override { return "ManifestGuard"; }

  IOStatus NewWritableFile(const std::string& path,
                           const rocksdb::FileOptions& options,
                           std::unique_ptr<FSWritableFile>* file,
                           IODebugContext* debug) override {
    IOStatus status = target()->NewWritableFile(path, options, file, debug);
    if (status.ok()) {
      *file = std::make_unique<GuardedFile>(
          std::move(*file), IsManifest(path) ? &doubt_ : nullptr);
    }
    return MayBeTriedAgain(std::move(status));
  }

  IOStatus NewDirectory(const std::string& path, const IOOptions& options,
                        std::unique_ptr<FSDirectory>* directory,
                        IODebugContext* debug) override;

  IOStatus RenameFile(const std::string& from, const std::string& to,
                      const IOOptions& options,
                      IODebugContext* debug) override {
    IOStatus status = target()->RenameFile(from, to, options, debug);
    if (!status.ok() && IsCurrent(to)) doubt_.Begin();
    return MayBeTriedAgain(std::move(status));
  }

  IOStatus DeleteFile(const std::string& path, const IOOptions& options,
                      IODebugContext* debug) override {
    if (doubt_.Keeps(path)) return IOStatus::OK();
    return target()->DeleteFile(path, options, debug);
  }

  // CURRENT has been renamed and its directory synced, or not. A manifest that
  // CURRENT names was synced before, and was begun after every failure of an
  // earlier one, as RocksDB writes to no manifest that it failed to write to.
  void NoteNewManifest(const IOStatus& status, const IOOptions& options,
                       IODebugContext* debug) {
    if (!status.ok()) return doubt_.Begin();
    for (const std::string& path : doubt_.End()) {
      // The next start deletes what cannot be deleted now.
      target()->DeleteFile(path, options, debug).PermitUncheckedError();
    }
  }

 private:
  Doubt doubt_;
};

class GuardedDirectory final : public rocksdb::FSDirectoryWrapper {
 public:
  GuardedDirectory(std::unique_ptr<FSDirectory> directory, ManifestGuard* guard)
      : FSDirectoryWrapper(std::move(directory)), guard_(*guard) {}

  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return MayBeTriedAgain(FSDirectoryWrapper::Fsync(options, debug));
  }
  IOStatus FsyncWithDirOptions(
      const IOOptions& options, IODebugContext* debug,
      const rocksdb::DirFsyncOptions& reason) override {
    IOStatus status =
        FSDirectoryWrapper::FsyncWithDirOptions(options, debug, reason);
    if (IsCurrent(reason.renamed_new_name)) {
      guard_.NoteNewManifest(status, options, debug);
    }
    return MayBeTriedAgain(std::move(status));
  }

 private:
  ManifestGuard& guard_;
};

IOStatus ManifestGuard::NewDirectory(const std::string& path,
                                     const IOOptions& options,
                                     std::unique_ptr<FSDirectory>* directory,
                                     IODebugContext* debug) {
  IOStatus status = target()->NewDirectory(path, options, directory, debug);
  if (status.ok()) {
    *directory =
        std::make_unique<GuardedDirectory>(std::move(*directory), this);
  }
  return status;
}

}  // namespace

std::shared_ptr<rocksdb::FileSystem> NewManifestGuard(
    const std::shared_ptr<rocksdb::FileSystem>& target) {
  return std::make_shared<ManifestGuard>(target);
}

}  // namespace qstore::storage
