// The storage engines that --engine can name.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/options.h"
#include "storage/engine.h"
#include "storage/watched_writes.h"

namespace qstore::server {

// "rocksdb, memory"
std::string EngineNames();

// Opens options.engine in options.data_dir. `report_failed_write` is called
// with the error when the engine has stopped to take writes, perhaps while
// nobody writes; by any thread.
absl::StatusOr<storage::Engine> OpenEngine(
    const ServerOptions& options,
    const storage::FailedWrite& report_failed_write);

}  // namespace qstore::server
