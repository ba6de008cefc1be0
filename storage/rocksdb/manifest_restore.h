// Undoes what a failed write may have left of RocksDB's manifest.
#pragma once

#include <filesystem>

#include "absl/status/status.h"
#include "storage/rocksdb/manifest_guard.h"

namespace qstore::storage {

// Cuts the manifest to what was known to be on the disk and makes CURRENT name
// it, durably; `durable` must name one. While no RocksDB writes in `directory`.
// May be tried again after an error.
absl::Status RestoreManifest(const std::filesystem::path& directory,
                             const DurableManifest& durable);

}  // namespace qstore::storage
