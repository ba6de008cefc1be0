// Whether a directory may become a store.
#pragma once

#include <filesystem>

#include "absl/status/status.h"

namespace qstore::storage {

// FAILED_PRECONDITION: the directory is no store, and holds what no store that
// was being made left there: somebody else's files, among which tables would be
// written. The root of a file system (lost+found) counts as empty.
absl::Status CheckNoForeignFiles(const std::filesystem::path& directory);

}  // namespace qstore::storage
