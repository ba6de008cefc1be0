#include "storage/rocksdb/manifest_guard.h"

#include <rocksdb/env.h>

#include <cerrno>
#include <string_view>
#include <system_error>
#include <utility>

#include "storage/rocksdb/status.h"

namespace qstore::storage {
namespace {

using rocksdb::DataVerificationInfo;
using rocksdb::FileOptions;
using rocksdb::FSDirectory;
using rocksdb::FSRandomAccessFile;
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

class GuardedFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  explicit GuardedFile(std::unique_ptr<FSWritableFile> file)
      : FSWritableFileOwnerWrapper(std::move(file)) {}

  IOStatus Append(const Slice& bytes, const IOOptions& options,
                  IODebugContext* debug) override {
    return MayBeTriedAgain(target()->Append(bytes, options, debug));
  }
  IOStatus Append(const Slice& bytes, const IOOptions& options,
                  const DataVerificationInfo& verification,
                  IODebugContext* debug) override {
    return MayBeTriedAgain(
        target()->Append(bytes, options, verification, debug));
  }
  IOStatus PositionedAppend(const Slice& bytes, uint64_t offset,
                            const IOOptions& options,
                            IODebugContext* debug) override {
    return MayBeTriedAgain(
        target()->PositionedAppend(bytes, offset, options, debug));
  }
  IOStatus PositionedAppend(const Slice& bytes, uint64_t offset,
                            const IOOptions& options,
                            const DataVerificationInfo& verification,
                            IODebugContext* debug) override {
    return MayBeTriedAgain(target()->PositionedAppend(bytes, offset, options,
                                                      verification, debug));
  }
  IOStatus Truncate(uint64_t size, const IOOptions& options,
                    IODebugContext* debug) override {
    return MayBeTriedAgain(target()->Truncate(size, options, debug));
  }
  IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
    return MayBeTriedAgain(target()->Close(options, debug));
  }
  IOStatus Flush(const IOOptions& options, IODebugContext* debug) override {
    return MayBeTriedAgain(target()->Flush(options, debug));
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    return MayBeTriedAgain(target()->Sync(options, debug));
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return MayBeTriedAgain(target()->Fsync(options, debug));
  }
  IOStatus RangeSync(uint64_t offset, uint64_t count, const IOOptions& options,
                     IODebugContext* debug) override {
    return MayBeTriedAgain(target()->RangeSync(offset, count, options, debug));
  }
};

// RocksDB appends to manifests and syncs them, in one thread at a time.
class ManifestFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  ManifestFile(std::unique_ptr<FSWritableFile> file, std::string name,
               ManifestGuard* guard)
      : FSWritableFileOwnerWrapper(std::move(file)),
        name_(std::move(name)),
        guard_(*guard) {}

  IOStatus Append(const Slice& bytes, const IOOptions& options,
                  IODebugContext* debug) override {
    return Appended(bytes,
                    [&] { return target()->Append(bytes, options, debug); });
  }
  IOStatus Append(const Slice& bytes, const IOOptions& options,
                  const DataVerificationInfo& verification,
                  IODebugContext* debug) override {
    return Appended(bytes, [&] {
      return target()->Append(bytes, options, verification, debug);
    });
  }
  IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
    return Noted([&] { return target()->Close(options, debug); });
  }
  IOStatus Flush(const IOOptions& options, IODebugContext* debug) override {
    return Noted([&] { return target()->Flush(options, debug); });
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    return Synced([&] { return target()->Sync(options, debug); });
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return Synced([&] { return target()->Fsync(options, debug); });
  }

 private:
  template <typename Call>
  IOStatus Noted(const Call& call) const {
    IOStatus status = guard_.MayWrite();
    if (!status.ok()) return status;
    status = call();
    if (!status.ok()) guard_.NoteFailure(status);
    return MayBeTriedAgain(std::move(status));
  }
  template <typename Call>
  IOStatus Appended(const Slice& bytes, const Call& call) {
    IOStatus status = Noted(call);
    if (status.ok()) size_bytes_ += bytes.size();
    return status;
  }
  template <typename Call>
  IOStatus Synced(const Call& call) const {
    IOStatus status = Noted(call);
    if (status.ok()) guard_.NoteSynced(name_, size_bytes_);
    return status;
  }

  const std::string name_;
  ManifestGuard& guard_;
  uint64_t size_bytes_ = 0;
};

class GuardedTable final : public rocksdb::FSRandomAccessFileOwnerWrapper {
 public:
  explicit GuardedTable(std::unique_ptr<FSRandomAccessFile> file)
      : FSRandomAccessFileOwnerWrapper(std::move(file)) {}
  IOStatus Read(uint64_t offset, size_t count, const IOOptions& options,
                Slice* result, char* scratch,
                IODebugContext* debug) const override {
    return MayBeTriedAgain(
        target()->Read(offset, count, options, result, scratch, debug));
  }
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
      if (status.ok()) {
        guard_.NoteInstalled();
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

absl::Status ManifestGuard::failure() const {
  const absl::MutexLock lock(&mutex_);
  return failure_;
}

DurableManifest ManifestGuard::durable() const {
  const absl::MutexLock lock(&mutex_);
  return durable_;
}

void ManifestGuard::Retire() {
  const absl::MutexLock lock(&mutex_);
  retired_ = true;
}

IOStatus ManifestGuard::NewWritableFile(const std::string& path,
                                        const FileOptions& options,
                                        std::unique_ptr<FSWritableFile>* file,
                                        IODebugContext* debug) {
  if (!IsManifest(path)) {
    IOStatus status = target()->NewWritableFile(path, options, file, debug);
    if (status.ok()) *file = std::make_unique<GuardedFile>(std::move(*file));
    return MayBeTriedAgain(std::move(status));
  }
  IOStatus status = MayWrite();
  if (!status.ok()) return status;
  status = target()->NewWritableFile(path, options, file, debug);
  if (!status.ok()) {
    NoteFailure(status);
    return MayBeTriedAgain(std::move(status));
  }
  std::string name(FileName(path));
  {
    const absl::MutexLock lock(&mutex_);
    newest_ = {name, 0};
  }
  *file =
      std::make_unique<ManifestFile>(std::move(*file), std::move(name), this);
  return status;
}

IOStatus ManifestGuard::NewRandomAccessFile(
    const std::string& path, const FileOptions& options,
    std::unique_ptr<FSRandomAccessFile>* file, IODebugContext* debug) {
  IOStatus status = target()->NewRandomAccessFile(path, options, file, debug);
  if (status.ok()) *file = std::make_unique<GuardedTable>(std::move(*file));
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

IOStatus ManifestGuard::FileExists(const std::string& path,
                                   const IOOptions& options,
                                   IODebugContext* debug) {
  IOStatus status = target()->FileExists(path, options, debug);
  const int error_number = errno;
  if (!status.IsIOError()) return status;
  return IOStatus::IOError("While looking for " + path,
                           std::generic_category().message(error_number));
}

IOStatus ManifestGuard::RenameFile(const std::string& from,
                                   const std::string& to,
                                   const IOOptions& options,
                                   IODebugContext* debug) {
  if (!IsCurrent(to)) {
    return MayBeTriedAgain(target()->RenameFile(from, to, options, debug));
  }
  IOStatus status = MayWrite();
  if (!status.ok()) return status;
  status = target()->RenameFile(from, to, options, debug);
  if (!status.ok()) NoteFailure(status);
  return MayBeTriedAgain(std::move(status));
}

IOStatus ManifestGuard::DeleteFile(const std::string& path,
                                   const IOOptions& options,
                                   IODebugContext* debug) {
  const bool is_table = path.ends_with(".sst");
  if (is_table || IsManifest(path)) {
    const absl::MutexLock lock(&mutex_);
    if (retired_ || !failure_.ok() || FileName(path) == durable_.name) {
      return IOStatus::OK();
    }
  }
  if (is_table && held_->Holds(path)) return IOStatus::OK();
  return target()->DeleteFile(path, options, debug);
}

IOStatus ManifestGuard::LockFile(const std::string& /*path*/,
                                 const IOOptions& /*options*/,
                                 rocksdb::FileLock** lock,
                                 IODebugContext* /*debug*/) {
  *lock = new rocksdb::FileLock;
  return IOStatus::OK();
}

IOStatus ManifestGuard::UnlockFile(rocksdb::FileLock* lock,
                                   const IOOptions& /*options*/,
                                   IODebugContext* /*debug*/) {
  delete lock;
  return IOStatus::OK();
}

IOStatus ManifestGuard::MayWrite() const {
  const absl::MutexLock lock(&mutex_);
  if (!retired_ && failure_.ok()) return IOStatus::OK();
  return MayBeTriedAgain(IOStatus::IOError(
      failure_.ok() ? "another opening of the database writes its manifest"
                    : "the manifest could not be written before: " +
                          std::string(failure_.message())));
}

void ManifestGuard::NoteFailure(const IOStatus& status) {
  absl::Status failure = ToStatus(status, "writing the manifest");
  {
    const absl::MutexLock lock(&mutex_);
    if (!failure_.ok() || retired_) return;
    failure_ = failure;
  }
  if (report_ != nullptr) report_(failure);
}

void ManifestGuard::NoteSynced(const std::string& manifest,
                               uint64_t size_bytes) {
  const absl::MutexLock lock(&mutex_);
  if (manifest == newest_.name) newest_.size_bytes = size_bytes;
  if (manifest == durable_.name) durable_.size_bytes = size_bytes;
}

// CURRENT has been renamed and its directory synced. It names the manifest that
// was begun last, which was synced before.
void ManifestGuard::NoteInstalled() {
  const absl::MutexLock lock(&mutex_);
  if (failure_.ok() && !retired_) durable_ = newest_;
}

}  // namespace qstore::storage
