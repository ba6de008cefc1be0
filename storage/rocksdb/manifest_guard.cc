#include "storage/rocksdb/manifest_guard.h"

#include <string_view>
#include <utility>

#include "storage/rocksdb/status.h"

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

// A missing path stays what it is: RocksDB asks for some to see if they exist.
IOStatus MayBeTriedAgain(IOStatus status) {
  if (!status.IsIOError() || status.IsPathNotFound()) return status;
  const char* text = status.getState();
  IOStatus again = IOStatus::IOError(text == nullptr ? "" : text);
  again.SetRetryable(true);
  again.SetScope(IOStatus::IOErrorScope::kIOErrorScopeFile);
  return again;
}

// Takes everything, keeps nothing. Newer versions of RocksDB leave the size to
// each file; nobody asks for it.
class NoFile final : public FSWritableFile {
 public:
  using FSWritableFile::Append;
  IOStatus Append(const Slice& /*bytes*/, const IOOptions& /*options*/,
                  IODebugContext* /*debug*/) override {
    return IOStatus::OK();
  }
  IOStatus Close(const IOOptions& /*options*/,
                 IODebugContext* /*debug*/) override {
    return IOStatus::OK();
  }
  IOStatus Flush(const IOOptions& /*options*/,
                 IODebugContext* /*debug*/) override {
    return IOStatus::OK();
  }
  IOStatus Sync(const IOOptions& /*options*/,
                IODebugContext* /*debug*/) override {
    return IOStatus::OK();
  }
  uint64_t GetFileSize(const IOOptions& /*options*/,
                       IODebugContext* /*debug*/) override {
    return 0;
  }
};

class GuardedFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  // `guard` is null for a file that is no manifest.
  GuardedFile(std::unique_ptr<FSWritableFile> file, ManifestGuard* guard)
      : FSWritableFileOwnerWrapper(std::move(file)), guard_(guard) {}

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
    if (status.IsIOError() && guard_ != nullptr) guard_->NoteFailure(status);
    return MayBeTriedAgain(std::move(status));
  }

  ManifestGuard* const guard_;
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
    if (guard_.detached()) return IOStatus::OK();
    IOStatus status =
        FSDirectoryWrapper::FsyncWithDirOptions(options, debug, reason);
    if (IsCurrent(reason.renamed_new_name)) {
      if (status.ok()) {
        guard_.NoteNewManifest();
      } else {
        guard_.NoteFailure(status);
      }
    }
    return MayBeTriedAgain(std::move(status));
  }

 private:
  ManifestGuard& guard_;
};

}  // namespace

uint64_t ManifestGuard::failure_count() const {
  const absl::MutexLock lock(&mutex_);
  return failure_count_;
}

bool ManifestGuard::DetachInDoubt() {
  const absl::MutexLock lock(&mutex_);
  detached_ = in_doubt_;
  return detached_;
}

bool ManifestGuard::detached() const {
  const absl::MutexLock lock(&mutex_);
  return detached_;
}

IOStatus ManifestGuard::NewWritableFile(const std::string& path,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<FSWritableFile>* file,
                                        IODebugContext* debug) {
  if (detached() && (IsManifest(path) || path.ends_with(".dbtmp"))) {
    *file = std::make_unique<NoFile>();
    return IOStatus::OK();
  }
  IOStatus status = target()->NewWritableFile(path, options, file, debug);
  if (status.ok()) {
    *file = std::make_unique<GuardedFile>(std::move(*file),
                                          IsManifest(path) ? this : nullptr);
  } else if (IsManifest(path)) {
    NoteFailure(status);
  }
  return MayBeTriedAgain(std::move(status));
}

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

IOStatus ManifestGuard::RenameFile(const std::string& from,
                                   const std::string& to,
                                   const IOOptions& options,
                                   IODebugContext* debug) {
  if (detached() && IsCurrent(to)) return IOStatus::OK();
  IOStatus status = target()->RenameFile(from, to, options, debug);
  if (!status.ok() && IsCurrent(to)) NoteFailure(status);
  return MayBeTriedAgain(std::move(status));
}

IOStatus ManifestGuard::DeleteFile(const std::string& path,
                                   const IOOptions& options,
                                   IODebugContext* debug) {
  if (Keeps(path)) return IOStatus::OK();
  return target()->DeleteFile(path, options, debug);
}

bool ManifestGuard::Keeps(const std::string& path) {
  if (!path.ends_with(".sst") && !IsManifest(path)) return false;
  const absl::MutexLock lock(&mutex_);
  if (in_doubt_) kept_.push_back(path);
  return in_doubt_;
}

void ManifestGuard::NoteFailure(const IOStatus& status) {
  {
    const absl::MutexLock lock(&mutex_);
    ++failure_count_;
    if (std::exchange(in_doubt_, true)) return;
  }
  if (report_ != nullptr) report_(ToStatus(status, "writing the manifest"));
}

// CURRENT has been renamed and its directory synced. The manifest that it names
// was synced before, and was begun after every failure of an earlier one, as
// RocksDB never goes on with a manifest that it failed to write to.
void ManifestGuard::NoteNewManifest() {
  std::vector<std::string> settled;
  {
    const absl::MutexLock lock(&mutex_);
    if (!std::exchange(in_doubt_, false)) return;
    settled = std::exchange(kept_, {});
  }
  for (const std::string& path : settled) {
    // The next start deletes what cannot be deleted now.
    target()->DeleteFile(path, IOOptions(), nullptr).PermitUncheckedError();
  }
  if (report_ != nullptr) report_(absl::OkStatus());
}

}  // namespace qstore::storage
