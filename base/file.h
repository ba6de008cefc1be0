// POSIX files with errors that name the path. ENOSPC and EDQUOT become
// RESOURCE_EXHAUSTED, ENOENT NOT_FOUND, EACCES PERMISSION_DENIED.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"

namespace qstore {

// An open file. Movable; closes on destruction. ReadAt and WriteAt may be
// called from several threads at once.
class File {
 public:
  static absl::StatusOr<File> OpenForRead(const std::filesystem::path& path);
  // Keeps what a file holds that is there; creates one that is not. Does not
  // follow a symbolic link.
  static absl::StatusOr<File> OpenForUpdate(const std::filesystem::path& path);
  // Creates or truncates.
  static absl::StatusOr<File> Create(const std::filesystem::path& path);

  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  absl::StatusOr<uint64_t> SizeBytes() const;
  // Fills `out` wholly; OUT_OF_RANGE, by its reason too, at the end of the
  // file.
  absl::Status ReadAt(uint64_t offset_bytes, MutableByteView out) const;
  absl::Status WriteAt(uint64_t offset_bytes, ByteView bytes);
  absl::Status Truncate(uint64_t size_bytes);
  absl::Status Sync();
  absl::Status Close();

  const std::filesystem::path& path() const { return path_; }

 private:
  File(int descriptor, std::filesystem::path path)
      : descriptor_(descriptor), path_(std::move(path)) {}
  int descriptor_ = -1;
  std::filesystem::path path_;
};

// Makes renames and creations in `directory` durable.
absl::Status SyncDirectory(const std::filesystem::path& directory);

// rename(2), then syncs the target's directory.
absl::Status RenameDurably(const std::filesystem::path& from,
                           const std::filesystem::path& to);

absl::StatusOr<std::string> ReadWholeFile(const std::filesystem::path& path,
                                          uint64_t max_bytes);

// "writing /x/y: No space left on device" with the code that errno maps to.
absl::Status ErrnoStatus(int error_number, const std::string& what);

}  // namespace qstore
