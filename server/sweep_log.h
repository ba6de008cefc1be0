// What the store found when it was opened, for the operator.
#pragma once

#include <string>

#include "storage/model_store.h"

namespace qstore::server {

// "swept what an interrupted process left: 2 objects that no revision names,
// ..."; "nothing to sweep" when there was nothing.
std::string DescribeSweep(const storage::SweepReport& report);

// Logs that, and as a warning what could not be swept.
void LogSweep(const storage::SweepReport& report);

}  // namespace qstore::server
