#include "client/sinks/staging.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <random>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/error_reason.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "client/sinks/download_journal.h"
#include "client/sinks/file_origin.h"
#include "client/sinks/leftovers.h"
#include "client/sinks/staged_tree.h"
#include "model/reserved_names.h"

namespace qstore::client {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxNameAttempts = 16;

std::string StagedName(const fs::path& path) { return Quoted(path.native()); }

absl::Status FileError(const std::error_code& error, const std::string& what) {
  return ErrnoStatus(error.value(), what);
}

// Process ids repeat in containers, hence the random part.
std::string UniqueSuffix() {
  std::random_device random;
  return absl::StrFormat("%d-%08x", getpid(), random());
}

struct LockAttempt {
  int descriptor = -1;  // -1: not locked; the file system may know no locks
  bool busy = false;    // somebody else has it locked
  bool gone = false;    // somebody else has removed it
};

LockAttempt LockDirectory(const fs::path& directory) {
  LockAttempt attempt;
  const int descriptor =
      open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor < 0) {
    attempt.gone = errno == ENOENT;
    return attempt;
  }
  if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) {
    attempt.descriptor = descriptor;
    return attempt;
  }
  attempt.busy = errno == EWOULDBLOCK;
  close(descriptor);
  return attempt;
}

// Whether `entry` may be a staging directory for the same place.
bool IsStaging(const fs::path& entry, const std::string& prefix) {
  std::error_code ignored;
  return absl::StartsWith(entry.filename().native(), prefix) &&
         fs::is_directory(fs::symlink_status(entry, ignored));
}

// Each staging directory in `parent` for the same place, with an attempt to
// lock it: visit(path, &lock) takes the lock over or leaves it to be given
// back, and says whether to go on.
template <typename Visit>
void VisitStaging(const fs::path& parent, const std::string& prefix,
                  const Visit& visit) {
  bool more = true;
  std::error_code error;
  for (fs::directory_iterator entries(parent, error);
       more && !error && entries != fs::directory_iterator();
       entries.increment(error)) {
    const fs::path path = entries->path();
    if (!IsStaging(path, prefix)) continue;
    LockAttempt lock = LockDirectory(path);
    more = visit(path, &lock);
    if (lock.descriptor >= 0) close(lock.descriptor);
  }
}

// One that nobody else has locked. A failure is no harm: it only takes space.
void RemoveIfLocked(const fs::path& path, const LockAttempt& lock) {
  std::error_code ignored;
  if (lock.descriptor >= 0) fs::remove_all(path, ignored);
}

absl::StatusOr<fs::path> AbsolutePlace(const fs::path& directory) {
  std::error_code error;
  fs::path absolute = fs::absolute(directory, error).lexically_normal();
  if (error)
    return FileError(error, absl::StrCat("finding ", StagedName(directory)));
  // "dir/" has an empty file name.
  return absolute.has_filename() ? absolute : absolute.parent_path();
}

// Of the names of staging directories in the directory itself, and beside one
// that does not exist yet.
std::string PrefixInside() { return std::string(kStagingMarker); }
std::string PrefixBeside(const fs::path& directory) {
  return absl::StrCat(".", directory.filename().native(), PrefixInside());
}

// Whether `path` still is what `descriptor` has open.
absl::StatusOr<bool> IsSameDirectory(int descriptor, const fs::path& path) {
  struct stat opened = {};
  struct stat named = {};
  if (fstat(descriptor, &opened) != 0 ||
      (stat(path.c_str(), &named) != 0 && errno != ENOENT)) {
    return ErrnoStatus(errno, absl::StrCat("reading ", StagedName(path)));
  }
  return opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

// Others could have put links into theirs.
bool IsOurs(int descriptor) {
  struct stat opened = {};
  return fstat(descriptor, &opened) == 0 && opened.st_uid == geteuid();
}

// Whether a process of this user that lives prepares the same there. Others
// could make us wait for ever.
bool IsLiveRival(const fs::path& path, const std::string& identity) {
  struct stat named = {};
  return lstat(path.c_str(), &named) == 0 && named.st_uid == geteuid() &&
         IsJournalOf(path, identity);
}

constexpr int kConfigRank = 2;

// Readers that wait for config.json then find the rest in place.
int PublishRank(const std::string& path) {
  if (absl::EndsWith(path, ".safetensors")) return 0;
  return path == "config.json" ? kConfigRank : 1;
}

absl::Status SyncTree(const fs::path& root) {
  std::error_code error;
  for (fs::recursive_directory_iterator entries(root, error);
       !error && entries != fs::recursive_directory_iterator();
       entries.increment(error)) {
    if (entries->is_directory()) {
      QSTORE_RETURN_IF_ERROR(SyncDirectory(entries->path()));
    }
  }
  if (error)
    return FileError(error, absl::StrCat("reading ", StagedName(root)));
  return SyncDirectory(root);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Staging>> Staging::Create(
    const fs::path& directory, const std::string& identity) {
  QSTORE_ASSIGN_OR_RETURN(fs::path absolute, AbsolutePlace(directory));
  std::unique_ptr<Staging> staging(new Staging(std::move(absolute)));
  QSTORE_RETURN_IF_ERROR(staging->CheckDirectory());
  fs::path parent = staging->directory_;
  staging->prefix_ = PrefixInside();
  if (!staging->directory_exists_) {
    QSTORE_RETURN_IF_ERROR(staging->CreateParents());
    parent = staging->directory_.parent_path();
    staging->prefix_ = PrefixBeside(staging->directory_);
  }
  if (staging->TakeOver(parent, identity)) return BeingWritten(directory);
  if (!staging->taken_over_) {
    QSTORE_RETURN_IF_ERROR(staging->CreateLocked(parent));
  }
  return staging;
}

void Staging::RemoveAbandoned(const fs::path& directory) {
  const absl::StatusOr<fs::path> place = AbsolutePlace(directory);
  if (!place.ok()) return;
  const auto remove = [](const fs::path& path, const LockAttempt* lock) {
    RemoveIfLocked(path, *lock);
    return true;
  };
  VisitStaging(*place, PrefixInside(), remove);
  VisitStaging(place->parent_path(), PrefixBeside(*place), remove);
}

absl::Status Staging::BeingWritten(const fs::path& directory) {
  return WithReason(absl::AlreadyExistsError(absl::StrCat(
                        "another process is downloading the same to ",
                        StagedName(directory))),
                    kReasonBeingWritten);
}

bool Staging::HasRival(const std::string& identity) const {
  bool found = false;
  VisitStaging(path_.parent_path(), prefix_,
               [&](const fs::path& path, const LockAttempt* lock) {
                 found =
                     path != path_ && lock->busy && IsLiveRival(path, identity);
                 return !found;
               });
  return found;
}

Staging::~Staging() {
  std::error_code ignored;
  const bool keep = keep_ && !published_ && !published_some_;
  if (!path_.empty() && !keep && (!published_ || directory_exists_)) {
    fs::remove_all(path_, ignored);
  }
  if (lock_descriptor_ >= 0) close(lock_descriptor_);
  if (published_ || keep) return;
  while (!created_parents_.empty()) {
    rmdir(created_parents_.back().c_str());
    created_parents_.pop_back();
  }
}

absl::Status Staging::CheckDirectory() {
  std::error_code error;
  const fs::file_status status = fs::status(directory_, error);
  if (status.type() == fs::file_type::not_found) {
    std::error_code ignored;
    if (fs::is_symlink(fs::symlink_status(directory_, ignored))) {
      return absl::FailedPreconditionError(
          absl::StrCat(StagedName(directory_),
                       " is a symbolic link to what does not exist: mend or "
                       "remove it, or name another directory"));
    }
    return CheckParents();
  }
  if (error)
    return FileError(error, absl::StrCat("reading ", StagedName(directory_)));
  if (status.type() != fs::file_type::directory) {
    return absl::FailedPreconditionError(
        absl::StrCat(StagedName(directory_),
                     " is not a directory: name one, or a path that does not "
                     "exist yet"));
  }
  directory_exists_ = true;
  return absl::OkStatus();
}

absl::Status Staging::CheckParents() const {
  for (fs::path parent = directory_.parent_path();;
       parent = parent.parent_path()) {
    std::error_code error;
    const fs::file_type type = fs::status(parent, error).type();
    if (type == fs::file_type::directory) return absl::OkStatus();
    if (type == fs::file_type::none) {
      return FileError(error, absl::StrCat("reading ", StagedName(parent)));
    }
    if (type != fs::file_type::not_found) {
      return absl::FailedPreconditionError(absl::StrCat(
          StagedName(directory_), " cannot be made, since ", StagedName(parent),
          " is not a directory: name another place"));
    }
    if (!parent.has_relative_path()) return absl::OkStatus();
  }
}

absl::Status Staging::Expect(std::vector<std::string> files) {
  files_ = std::move(files);
  std::stable_sort(files_.begin(), files_.end(),
                   [](const std::string& a, const std::string& b) {
                     return PublishRank(a) < PublishRank(b);
                   });
  QSTORE_RETURN_IF_ERROR(RemoveUnexpected());
  return directory_exists_ ? CheckTargets() : absl::OkStatus();
}

absl::Status Staging::CheckTargets() const {
  std::error_code error;
  std::set<fs::path> checked;
  for (const std::string& file : files_) {
    const fs::path relative(file);
    if (fs::is_directory(fs::symlink_status(directory_ / relative, error))) {
      return absl::FailedPreconditionError(
          absl::StrCat(StagedName(directory_ / relative),
                       " is a directory, but a file must go there: move it "
                       "away or name another directory"));
    }
    // Through a link a file would land outside of the directory.
    for (fs::path parent = relative.parent_path(); !parent.empty();
         parent = parent.parent_path()) {
      if (!checked.insert(parent).second) break;
      const fs::file_type type =
          fs::symlink_status(directory_ / parent, error).type();
      if (type == fs::file_type::not_found ||
          type == fs::file_type::directory) {
        continue;
      }
      if (type == fs::file_type::none) {
        return FileError(
            error, absl::StrCat("reading ", StagedName(directory_ / parent)));
      }
      return absl::FailedPreconditionError(
          absl::StrCat(StagedName(directory_ / parent),
                       " is not a directory of its own, but files must go "
                       "into it: move it away or name another directory"));
    }
  }
  return absl::OkStatus();
}

absl::Status Staging::RemoveUnexpected() {
  std::vector<std::string> kept = files_;
  kept.emplace_back(kJournalName);
  return RemoveAllBut(path_, kept);
}

absl::Status Staging::CreateParents() {
  std::vector<fs::path> missing;
  std::error_code error;
  for (fs::path parent = directory_.parent_path();
       !fs::exists(parent, error) && parent.has_relative_path();
       parent = parent.parent_path()) {
    missing.push_back(parent);
  }
  std::reverse(missing.begin(), missing.end());
  for (const fs::path& parent : missing) {
    if (mkdir(parent.c_str(), 0777) != 0) {
      if (errno == EEXIST) continue;
      return ErrnoStatus(errno, absl::StrCat("creating ", StagedName(parent)));
    }
    created_parents_.push_back(parent);
  }
  return absl::OkStatus();
}

bool Staging::TakeOver(const fs::path& parent, const std::string& identity) {
  bool being_written = false;
  VisitStaging(parent, prefix_, [&](const fs::path& path, LockAttempt* lock) {
    if (lock->busy && !identity.empty() && IsLiveRival(path, identity)) {
      being_written = true;
    }
    const bool take = lock->descriptor >= 0 && !taken_over_ &&
                      !identity.empty() && IsOurs(lock->descriptor) &&
                      IsSameDirectory(lock->descriptor, path).value_or(false) &&
                      IsJournalOf(path, identity);
    if (take) {
      taken_over_ = true;
      lock_descriptor_ = std::exchange(lock->descriptor, -1);
      path_ = path;
    } else {
      RemoveIfLocked(path, *lock);
    }
    return true;
  });
  return being_written && !taken_over_;
}

absl::Status Staging::CreateLocked(const fs::path& parent) {
  for (int attempt = 0; attempt < kMaxNameAttempts; ++attempt) {
    fs::path path = parent / absl::StrCat(prefix_, UniqueSuffix());
    if (mkdir(path.c_str(), 0777) != 0) {
      if (errno == EEXIST) continue;
      return ErrnoStatus(errno, absl::StrCat("creating ", StagedName(path)));
    }
    const LockAttempt lock = LockDirectory(path);
    lock_descriptor_ = lock.descriptor;
    // Another process may have taken it for abandoned before it was locked,
    // and may be done with that already.
    if (lock.busy || lock.gone) continue;
    if (lock_descriptor_ >= 0) {
      const absl::StatusOr<bool> same = IsSameDirectory(lock_descriptor_, path);
      if (!same.ok()) {
        path_ = std::move(path);
        return same.status();
      }
      if (!*same) {
        close(std::exchange(lock_descriptor_, -1));
        continue;
      }
    }
    path_ = std::move(path);
    return absl::OkStatus();
  }
  return absl::UnavailableError(
      absl::StrCat("no temporary directory could be made in ",
                   StagedName(parent), ": try again"));
}

absl::StatusOr<std::vector<std::string>> Staging::Publish(
    const DownloadOrigin& origin) {
  // Nothing but what the revision lists appears, whatever came since.
  QSTORE_RETURN_IF_ERROR(RemoveAllBut(path_, files_));
  QSTORE_RETURN_IF_ERROR(CheckAreSoleFiles(path_, files_));
  if (!origin.model.empty()) {
    const std::string revision =
        absl::StrCat(origin.model, "@", origin.revision);
    for (const std::string& file : files_) {
      RememberOrigin(path_, file, revision);
    }
  }
  QSTORE_RETURN_IF_ERROR(SyncTree(path_));
  QSTORE_RETURN_IF_ERROR(directory_exists_ ? PublishByFile(origin)
                                           : PublishWhole());
  published_ = true;
  return std::move(notes_);
}

absl::Status Staging::PublishWhole() {
  // Fails rather than replace what somebody else has made meanwhile.
  int error = renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, directory_.c_str(),
                        RENAME_NOREPLACE) == 0
                  ? 0
                  : errno;
  if (error == EINVAL || error == ENOSYS) {
    // Some network file systems know only the plain rename, which at least
    // replaces nothing but an empty directory.
    error = std::rename(path_.c_str(), directory_.c_str()) == 0 ? 0 : errno;
  }
  if (error == EEXIST || error == ENOTEMPTY) {
    return WithReason(
        absl::AlreadyExistsError(absl::StrCat(
            StagedName(directory_),
            " was made by somebody else meanwhile: download again, into it or "
            "to another place")),
        kReasonAlreadyExists);
  }
  if (error != 0) {
    return ErrnoStatus(error, absl::StrCat("renaming ", StagedName(path_),
                                           " to ", StagedName(directory_)));
  }
  QSTORE_RETURN_IF_ERROR(SyncDirectory(directory_.parent_path()));
  for (const fs::path& parent : created_parents_) {
    QSTORE_RETURN_IF_ERROR(SyncDirectory(parent.parent_path()));
  }
  return absl::OkStatus();
}

absl::Status Staging::PublishFile(const std::string& file,
                                  std::set<fs::path>* directories) {
  const fs::path target = directory_ / file;
  std::error_code error;
  fs::create_directories(target.parent_path(), error);
  if (error) {
    return FileError(
        error, absl::StrCat("creating ", StagedName(target.parent_path())));
  }
  if (std::rename((path_ / file).c_str(), target.c_str()) != 0) {
    return ErrnoStatus(errno, absl::StrCat("replacing ", StagedName(target)));
  }
  published_some_ = true;
  for (fs::path parent = target.parent_path(); parent != directory_;
       parent = parent.parent_path()) {
    directories->insert(parent);
  }
  return absl::OkStatus();
}

absl::Status Staging::PublishByFile(const DownloadOrigin& origin) {
  std::set<fs::path> directories = {directory_};
  // Old weights go before the config.json that is not theirs comes.
  bool cleared = false;
  for (const std::string& file : files_) {
    if (PublishRank(file) == kConfigRank && !std::exchange(cleared, true)) {
      notes_ = ClearLeftovers(directory_, files_, origin);
    }
    QSTORE_RETURN_IF_ERROR(PublishFile(file, &directories));
  }
  if (!cleared) notes_ = ClearLeftovers(directory_, files_, origin);
  for (const fs::path& directory : directories) {
    QSTORE_RETURN_IF_ERROR(SyncDirectory(directory));
  }
  return absl::OkStatus();
}

}  // namespace qstore::client
