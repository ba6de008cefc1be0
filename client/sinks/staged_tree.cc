#include "client/sinks/staged_tree.h"

#include <sys/stat.h>

#include <cerrno>
#include <map>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text/quote.h"

namespace qstore::client {
namespace {

namespace fs = std::filesystem;

bool IsSole(const struct stat& status) {
  // Some file systems in user space count no names at all.
  return S_ISREG(status.st_mode) && status.st_nlink <= 1;
}

// Relative paths of files and of the directories on the way to them.
struct Expected {
  std::set<std::string> files;
  std::set<std::string> directories;

  explicit Expected(const std::vector<std::string>& paths)
      : files(paths.begin(), paths.end()) {
    for (const std::string& path : paths) {
      for (size_t slash = path.find('/'); slash != std::string::npos;
           slash = path.find('/', slash + 1)) {
        directories.insert(path.substr(0, slash));
      }
    }
  }
};

}  // namespace

bool IsSoleFile(const fs::path& path) {
  struct stat status = {};
  return lstat(path.c_str(), &status) == 0 && IsSole(status);
}

absl::Status RemoveAllBut(const fs::path& root,
                          const std::vector<std::string>& files) {
  const Expected expected(files);
  struct stat root_status = {};
  if (lstat(root.c_str(), &root_status) != 0) {
    return ErrnoStatus(errno, absl::StrCat("reading ", Quoted(root.native())));
  }
  std::vector<fs::path> unexpected;
  std::error_code error;
  for (fs::recursive_directory_iterator entries(root, error);
       !error && entries != fs::recursive_directory_iterator();
       entries.increment(error)) {
    const fs::path& path = entries->path();
    const std::string relative = path.lexically_relative(root).native();
    struct stat status = {};
    if (lstat(path.c_str(), &status) != 0) continue;  // gone
    const bool kept = S_ISDIR(status.st_mode)
                          ? expected.directories.contains(relative)
                          : IsSole(status) &&
                                status.st_uid == root_status.st_uid &&
                                expected.files.contains(relative);
    if (kept) continue;
    unexpected.push_back(path);
    entries.disable_recursion_pending();
  }
  for (const fs::path& path : unexpected) {
    if (error) break;
    fs::remove_all(path, error);
  }
  if (!error) return absl::OkStatus();
  return ErrnoStatus(
      error.value(),
      absl::StrCat("removing from ", Quoted(root.native()),
                   " what does not belong there (remove it yourself)"));
}

absl::Status CheckAreSoleFiles(const fs::path& root,
                               const std::vector<std::string>& files) {
  // A file system may take names for one that differ in their case alone, or in
  // how their accents are written; then one file has overwritten the other.
  std::map<std::pair<dev_t, ino_t>, std::string> seen;
  for (const std::string& file : files) {
    struct stat status = {};
    const int error = lstat((root / file).c_str(), &status) == 0 ? 0 : errno;
    if (error != 0 && error != ENOENT) {
      return ErrnoStatus(
          error, absl::StrCat("reading ", Quoted((root / file).native())));
    }
    if (error != 0 || !IsSole(status)) {
      return absl::FailedPreconditionError(
          absl::StrCat(Quoted((root / file).native()),
                       " was changed by somebody else while it was prepared: "
                       "download again"));
    }
    const auto [other, is_new] =
        seen.try_emplace({status.st_dev, status.st_ino}, file);
    if (!is_new) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the file system at ", Quoted(root.native()), " takes the names ",
          Quoted(other->second), " and ", Quoted(file),
          " for one: download to another file system"));
    }
  }
  return absl::OkStatus();
}

}  // namespace qstore::client
