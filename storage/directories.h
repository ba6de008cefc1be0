// Directories of an engine that keeps files.
#pragma once

#include <cstdint>
#include <filesystem>

#include "absl/status/status.h"

namespace qstore::storage {

// Makes the directory if it is absent, durably: what is synced in it later
// survives a power cut only with its own entry. FAILED_PRECONDITION when that
// cannot be, for instance because its parent is absent.
absl::Status MakeDirectory(const std::filesystem::path& directory);

// Deletes what the directory holds; makes it if it is absent.
absl::Status MakeEmptyDirectory(const std::filesystem::path& directory);

// Sum of the sizes of all files under the directory. They may come and go while
// they are counted.
uint64_t FileBytesUnder(const std::filesystem::path& directory);

}  // namespace qstore::storage
