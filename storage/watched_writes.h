// Tells somebody when writing to an engine fails.
#pragma once

#include <functional>

#include "absl/status/status.h"
#include "storage/engine.h"

namespace qstore::storage {

// Called by any thread with the error of a write or deletion that failed for
// the engine's reasons, not for the caller's. It must not use the engine.
using FailedWrite = std::function<void(const absl::Status& status)>;

// `engine`, of which each such error is reported before it is returned.
Engine WithWatchedWrites(Engine engine, const FailedWrite& report);

}  // namespace qstore::storage
