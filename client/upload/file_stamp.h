// What shows that somebody writes to a file.
#pragma once

#include <cstdint>
#include <filesystem>

#include "absl/status/statusor.h"

namespace qstore::client {

struct FileStamp {
  uint64_t size_bytes = 0;
  int64_t modified_nanoseconds = 0;  // since 1970

  bool operator==(const FileStamp&) const = default;
};

// Of the file at the end of all links.
absl::StatusOr<FileStamp> StampOf(const std::filesystem::path& file);

}  // namespace qstore::client
