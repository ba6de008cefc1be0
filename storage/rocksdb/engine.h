// Records and blobs in one embedded RocksDB database.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/engine.h"

namespace qstore::storage {

struct RocksDbOptions {
  // Blocks (each one value) that stay in memory for readers; values that a
  // reader pins come on top.
  uint64_t block_cache_bytes = 64u << 20;
  int max_open_files = 512;
  int background_threads = 2;
  // Called with the error when RocksDB's manifest cannot be written, and so
  // nothing else, and with OK when it can again; by any thread, until the
  // engine is destroyed.
  std::function<void(const absl::Status&)> report_writing = nullptr;
};

// Opens or creates `directory` (made if absent, its parent must exist). Sweeps
// table files that an earlier process wrote and did not ingest. The database is
// closed with the last copy of the engine.
// FAILED_PRECONDITION: another process has it open, or its format is not ours.
absl::StatusOr<Engine> OpenRocksDbEngine(const std::filesystem::path& directory,
                                         const RocksDbOptions& options);

}  // namespace qstore::storage
