// What a staging directory may hold. Others may have put things into it: a
// directory of its name may have come with a model that somebody made, or be
// open to other users. Nothing here follows a link.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace qstore::client {

// A regular file, reached without a link, that has no other name: what is
// written to it changes nothing elsewhere, and opening it never waits.
bool IsSoleFile(const std::filesystem::path& path);

// Removes whatever below `root` is none of `files` (relative paths) as a file
// of that kind, owned like `root`, nor a directory on the way to one.
absl::Status RemoveAllBut(const std::filesystem::path& root,
                          const std::vector<std::string>& files);

// FAILED_PRECONDITION unless each of `files` is there as such a file, and no
// two of them are the same one.
absl::Status CheckAreSoleFiles(const std::filesystem::path& root,
                               const std::vector<std::string>& files);

}  // namespace qstore::client
