#include "server/backup_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/error_reason.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "model/names.h"
#include "server/calls/status_mapping.h"
#include "storage/directories.h"

namespace qstore::server {
namespace {

namespace fs = std::filesystem;

// No backup's name starts with a dot.
constexpr char kPartialPrefix[] = ".partial-";

constexpr absl::Duration kBusyRetryDelay = absl::Seconds(5);

bool IsInside(const fs::path& path, const fs::path& directory) {
  std::error_code error;
  const fs::path inner = fs::weakly_canonical(path, error);
  const fs::path outer = fs::weakly_canonical(directory, error);
  return !error && !outer.empty() &&
         std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end())
                 .first == outer.end();
}

absl::Status RemovePartial(const fs::path& directory) {
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    if (!it->path().filename().native().starts_with(kPartialPrefix)) continue;
    fs::remove_all(it->path(), error);
    if (error) break;
  }
  if (!error) return absl::OkStatus();
  return ErrnoStatus(error.value(),
                     "removing unfinished backups from " + directory.string());
}

absl::Status AnotherIsBeingMade() {
  return WithRetryHint(WithReason(absl::ResourceExhaustedError(absl::StrCat(
                                      "another backup is being made; retry in ",
                                      absl::FormatDuration(kBusyRetryDelay))),
                                  kReasonBackupRunning),
                       kBusyRetryDelay);
}

}  // namespace

absl::StatusOr<std::unique_ptr<BackupDirectory>> BackupDirectory::Open(
    const fs::path& directory, const fs::path& data_dir) {
  if (IsInside(directory, data_dir)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--backup-dir ", Quoted(directory.native()), " lies inside --data-dir ",
        Quoted(data_dir.native()),
        ", whose files belong to the store; name a directory beside it"));
  }
  QSTORE_RETURN_IF_ERROR(storage::MakeDirectory(directory));
  const int descriptor =
      open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) {
    return ErrnoStatus(errno, "opening " + directory.string());
  }
  std::unique_ptr<BackupDirectory> opened(
      new BackupDirectory(directory, descriptor));
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("--backup-dir ", Quoted(directory.native()),
                     " is in use by another process; give each qstored a "
                     "directory of its own"));
  }
  QSTORE_RETURN_IF_ERROR(RemovePartial(directory));
  return opened;
}

BackupDirectory::~BackupDirectory() { close(lock_descriptor_); }

absl::StatusOr<BackupDirectory::Backup> BackupDirectory::Create(
    storage::ModelStore* store, const std::string& name) {
  QSTORE_RETURN_IF_ERROR(ValidateBackupName(name));
  {
    const absl::MutexLock lock(&mutex_);
    if (creating_) return AnotherIsBeingMade();
    creating_ = true;
  }
  absl::StatusOr<Backup> backup = CreateAlone(store, name);
  const absl::MutexLock lock(&mutex_);
  creating_ = false;
  return backup;
}

absl::StatusOr<BackupDirectory::Backup> BackupDirectory::CreateAlone(
    storage::ModelStore* store, const std::string& name) {
  const fs::path path = directory_ / name;
  std::error_code error;
  const fs::file_type type = fs::symlink_status(path, error).type();
  if (type == fs::file_type::none) {
    return ErrnoStatus(error.value(), "reading " + path.string());
  }
  if (type != fs::file_type::not_found) {
    return WithReason(absl::AlreadyExistsError(absl::StrCat(
                          "there is a backup ", Quoted(name), " in ",
                          directory_.string(), ": choose another name")),
                      kReasonBackupExists);
  }
  const fs::path partial = directory_ / (kPartialPrefix + name);
  absl::Status status = store->Checkpoint(partial);
  const uint64_t size_bytes = storage::FileBytesUnder(partial);
  if (status.ok()) status = RenameDurably(partial, path);
  if (!status.ok()) {
    // What cannot be removed now is removed at the next start.
    fs::remove_all(partial, error);
    return Annotate(status, absl::StrCat("backup ", Quoted(name)));
  }
  return Backup{path, size_bytes};
}

}  // namespace qstore::server
