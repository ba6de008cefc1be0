#include "client/upload/hub_cache.h"

#include <algorithm>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/error_reason.h"
#include "base/file.h"
#include "base/text/quote.h"

namespace qstore::client {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxRefBytes = 256;
constexpr char kRepositoryPrefix[] = "models--";

bool IsDirectory(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

std::vector<std::string> DirectoriesIn(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entries(directory, error);
       !error && entries != fs::directory_iterator();
       entries.increment(error)) {
    if (IsDirectory(entries->path())) {
      names.push_back(entries->path().filename().native());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

// The one that `main` names or, where nothing says so, the only one.
std::string SnapshotOf(const fs::path& repository) {
  const fs::path snapshots = repository / "snapshots";
  const absl::StatusOr<std::string> ref =
      ReadWholeFile(repository / "refs" / "main", kMaxRefBytes);
  if (ref.ok()) {
    const std::string name(absl::StripAsciiWhitespace(*ref));
    if (!name.empty() && IsDirectory(snapshots / name)) {
      return (snapshots / name).native();
    }
  }
  const std::vector<std::string> names = DirectoriesIn(snapshots);
  return names.size() == 1 ? (snapshots / names[0]).native() : "";
}

absl::Status Accident(const std::string& sentence) {
  return WithReason(absl::FailedPreconditionError(sentence), kReasonAccident);
}

}  // namespace

absl::Status CheckIsNoHubCache(const fs::path& directory) {
  const std::string name = Quoted(directory.native());
  if (IsDirectory(directory / "blobs") &&
      IsDirectory(directory / "snapshots")) {
    const std::string snapshot = SnapshotOf(directory);
    return Accident(absl::StrCat(
        name,
        " is a repository of the Hugging Face cache, which has every file "
        "twice: give ",
        snapshot.empty() ? "the directory of one of its snapshots"
                         : Quoted(snapshot)));
  }
  const std::vector<std::string> names = DirectoriesIn(directory);
  const auto repository =
      std::find_if(names.begin(), names.end(), [](const std::string& one) {
        return one.starts_with(kRepositoryPrefix);
      });
  if (repository == names.end()) return absl::OkStatus();
  const std::string snapshot = SnapshotOf(directory / *repository);
  return Accident(absl::StrCat(
      name, " is the Hugging Face cache, not a model: give one snapshot of it",
      snapshot.empty() ? "" : absl::StrCat(", such as ", Quoted(snapshot))));
}

}  // namespace qstore::client
