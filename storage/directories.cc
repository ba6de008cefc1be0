#include "storage/directories.h"

#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"

namespace qstore::storage {

namespace fs = std::filesystem;

absl::Status MakeDirectory(const fs::path& directory) {
  std::error_code error;
  const bool made = fs::create_directory(directory, error);
  if (!error) {
    const absl::Status synced =
        SyncDirectory(fs::canonical(directory, error).parent_path());
    // Tried as well when it was there, since who made it may have been killed
    // before this; but then the parent may be somebody else's.
    return made ? synced : absl::OkStatus();
  }
  if (error == std::errc::file_exists) {
    // Or it could not be looked at.
    std::error_code looked;
    if (fs::status(directory, looked).type() == fs::file_type::none) {
      return ErrnoStatus(looked.value(), "reading " + directory.string());
    }
  }
  const char* advice =
      error == std::errc::permission_denied
          ? "let this user write to its parent, or name another"
      : error == std::errc::file_exists || error == std::errc::not_a_directory
          ? "a file is in the way: name another"
          : "make its parent or name another";
  return absl::FailedPreconditionError(
      absl::StrCat("cannot make directory ", directory.string(), ": ",
                   error.message(), "; ", advice));
}

absl::Status MakeEmptyDirectory(const fs::path& directory) {
  std::error_code error;
  fs::remove_all(directory, error);
  if (!error) fs::create_directory(directory, error);
  if (!error) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("emptying ", directory.string(), ": ", error.message()));
}

uint64_t FileBytesUnder(const fs::path& directory) {
  uint64_t sum = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator it(directory, error), end;
       !error && it != end; it.increment(error)) {
    std::error_code entry_error;
    if (!it->is_regular_file(entry_error)) continue;
    const uint64_t size_bytes = it->file_size(entry_error);
    if (!entry_error) sum += size_bytes;
  }
  return sum;
}

}  // namespace qstore::storage
