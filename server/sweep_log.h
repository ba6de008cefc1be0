// What the store found when it was opened, how it deletes what nobody uses any
// more, and whether it takes writes, for the operator.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "storage/model_store.h"

namespace qstore::server {

// "swept what an interrupted process left: 2 objects that no revision names,
// ..."; "nothing to sweep" when there was nothing.
std::string DescribeSweep(const storage::SweepReport& report);

// Logs that, and as a warning what could not be swept.
void LogSweep(const storage::SweepReport& report);

// ModelStoreOptions::report_collection.
void LogCollection(const absl::Status& status);

// Whether the store takes writes, when that changes.
void LogWriting(const absl::Status& status);

}  // namespace qstore::server
