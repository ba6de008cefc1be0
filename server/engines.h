// The storage engines that --engine can name.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/options.h"
#include "storage/engine.h"

namespace qstore::server {

// "rocksdb, memory"
std::string EngineNames();

// Opens options.engine in options.data_dir.
absl::StatusOr<storage::Engine> OpenEngine(const ServerOptions& options);

}  // namespace qstore::server
