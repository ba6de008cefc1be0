// Directories of the Hugging Face cache, which people take for models.
#pragma once

#include <filesystem>

#include "absl/status/status.h"

namespace qstore::client {

// FAILED_PRECONDITION (kReasonAccident): `directory` is the cache, or one
// repository of it (blobs/, refs/, snapshots/): every file would be uploaded
// twice. Names the snapshot to upload instead, where that can be told.
absl::Status CheckIsNoHubCache(const std::filesystem::path& directory);

}  // namespace qstore::client
