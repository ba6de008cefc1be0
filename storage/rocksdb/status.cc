#include "storage/rocksdb/status.h"

#include "absl/strings/str_cat.h"
#include "base/error_reason.h"

namespace qstore::storage {
namespace {

using rocksdb::Status;

// RocksDB knows ENOSPC by a subcode, which the manifest's guard takes away; a
// file-size limit and a quota are told by their text alone.
bool IsFullDisk(const Status& status, const std::string& text) {
  if (status.IsNoSpace()) return true;
  for (const char* reason :
       {"No space left on device", "File too large", "Disk quota exceeded"}) {
    if (text.find(reason) != std::string::npos) return true;
  }
  return false;
}

// Not a lock that could not be asked for.
bool IsHeldLock(const std::string& text) {
  return text.find("lock hold by current process") != std::string::npos ||
         (text.find("lock file") != std::string::npos &&
          text.find("Resource temporarily unavailable") != std::string::npos);
}

// RocksDB calls a table damaged that it could not ask the size of, and an
// option wrong when it could not open CURRENT.
bool IsFailedCall(const Status& status, const std::string& text) {
  const auto has = [&text](const char* words) {
    return text.find(words) != std::string::npos;
  };
  if (status.IsCorruption()) {
    return has("Can't access") && has("IO error") &&
           !has("No such file or directory");
  }
  return status.IsInvalidArgument() && (has("Direct I/O is not supported") ||
                                        has("incompatible with filesystem"));
}

}  // namespace

absl::Status ToStatus(const Status& status, const std::string& what) {
  if (status.ok()) return absl::OkStatus();
  const std::string text = status.ToString();
  const std::string message = absl::StrCat(what, ": ", text);
  if (IsFullDisk(status, text)) {
    return WithReason(absl::ResourceExhaustedError(absl::StrCat(
                          message, "; free disk space and try again")),
                      kReasonDiskFull);
  }
  switch (status.code()) {
    case Status::kNotFound:
      return absl::NotFoundError(message);
    case Status::kCorruption:
      return absl::DataLossError(message);
    case Status::kInvalidArgument:
      return absl::InvalidArgumentError(message);
    case Status::kBusy:
    case Status::kShutdownInProgress:
      return absl::UnavailableError(message);
    default:
      return absl::InternalError(message);
  }
}

absl::Status ToOpenStatus(const Status& status,
                          const std::filesystem::path& path) {
  const std::string text = status.ToString();
  if (IsFailedCall(status, text)) {
    return absl::InternalError(absl::StrCat(
        "opening ", path.string(), ": a file of it could not be looked at (",
        text, "): see to the disk, then start again"));
  }
  if (status.IsCorruption()) {
    return absl::DataLossError(absl::StrCat(
        path.string(), " is damaged (", text,
        "): restore a backup (docs/operations.md), and keep a copy of the "
        "directory for whoever looks into it"));
  }
  if (IsHeldLock(text)) {
    return absl::FailedPreconditionError(absl::StrCat(
        path.string(), " is in use by another process: stop it (", text, ")"));
  }
  if (status.IsInvalidArgument()) {
    return absl::FailedPreconditionError(
        absl::StrCat(path.string(), " holds another kind of database: ", text));
  }
  return ToStatus(status, absl::StrCat("opening ", path.string()));
}

}  // namespace qstore::storage
